/* Elements and numbers as text. Whatever comes from outside goes through textContent. */
"use strict";

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/* A text from outside, kept apart from the direction of the writing around it. */
function isolated(text) {
  const element = document.createElement("bdi");
  element.textContent = text;
  return element;
}

/* Like toFixed, but exact halves go to the even digit, as in the tables that Python wrote. */
function fixed(value, digits) {
  const halves = value * 10 ** digits * 2;
  const isHalf = Number.isInteger(value * 2 ** 20) && Number.isInteger(halves) && halves % 2 !== 0;
  if (!isHalf) return value.toFixed(digits);
  const below = Math.floor(halves / 2);
  return ((below + Math.abs(below % 2)) / 10 ** digits).toFixed(digits);
}

function countText(number) {
  return number.toLocaleString("en-US", { maximumFractionDigits: 0 });
}

function positionText(number) {
  return countText(Number(fixed(number, 0)));
}

function areaText(mm2) {
  return fixed(mm2, mm2 >= 1 ? 2 : 4);
}

function thresholdText(threshold) {
  const short = threshold.toFixed(2);
  return Number(short) === threshold ? short : String(threshold);
}

function plural(number, word) {
  return `${countText(number)} ${word}${number === 1 ? "" : "s"}`;
}
