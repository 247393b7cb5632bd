/* Fillings told apart by pattern and by colour (Okabe and Ito), for tiles set aside or marked. */
"use strict";

function swatchOf(index) {
  const colours = ["#0072b2", "#d55e00", "#007a5a", "#a8447f", "#1b2430", "#8a6100", "#3a86c8"];
  const patterns = ["rising", "falling", "crossed", "level", "upright", "dots", "rings", "grid"];
  return {
    colour: colours[index % colours.length],
    pattern: patterns[index % patterns.length],
  };
}

/* A small canvas, to be repeated, of a swatch on a veil of white. */
function patternCanvas({ colour, pattern }, ratio) {
  const side = 10;
  const canvas = make("canvas");
  canvas.width = canvas.height = side * ratio;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.fillStyle = "rgba(255, 255, 255, 0.45)";
  context.fillRect(0, 0, side, side);
  context.strokeStyle = context.fillStyle = colour;
  context.lineWidth = 2.4;
  context.beginPath();
  const line = (x1, y1, x2, y2) => {
    context.moveTo(x1, y1);
    context.lineTo(x2, y2);
  };
  if (pattern === "rising" || pattern === "crossed") {
    for (const shift of [-side, 0, side]) line(shift - 1, side + 1, shift + side + 1, -1);
  }
  if (pattern === "falling" || pattern === "crossed") {
    for (const shift of [-side, 0, side]) line(shift - 1, -1, shift + side + 1, side + 1);
  }
  if (pattern === "level" || pattern === "grid") line(0, 5, side, 5);
  if (pattern === "upright" || pattern === "grid") line(5, 0, 5, side);
  if (pattern === "dots" || pattern === "rings") {
    context.arc(5, 5, pattern === "dots" ? 1.6 : 3.2, 0, 2 * Math.PI);
  }
  context.stroke();
  return canvas;
}

/* The same filling as a key beside its name. */
function swatchKey(swatch) {
  const key = make("span", { class: "swatch", "aria-hidden": "true" });
  key.style.borderColor = swatch.colour;
  key.style.backgroundImage = `url(${patternCanvas(swatch, 2).toDataURL()})`;
  return key;
}
