/* The guess game: a person guesses by keys or touch; the model's guesses on the same pictures stand
   beside. Nothing is kept or sent. */
"use strict";

const decks = JSON.parse(document.getElementById("decks").textContent);
const part = (name) => document.querySelector(`[data-part="${name}"]`);
let deck = decks[0];
let order = [];
let turn = 0;
let guesses = [];
let isOpen = true;

function shuffled(count) {
  const numbers = Array.from({ length: count }, (_, n) => n);
  for (let n = count - 1; n > 0; n -= 1) {
    const other = Math.floor(Math.random() * (n + 1));
    [numbers[n], numbers[other]] = [numbers[other], numbers[n]];
  }
  return numbers;
}

function make(tag, text, attributes = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/* The key of a label: its first letter if no other begins so, else its number. */
function keyOf(label) {
  const first = label[0].toLowerCase();
  const alike = deck.labels.filter((other) => other[0].toLowerCase() === first);
  return alike.length === 1 ? first : String(deck.labels.indexOf(label) + 1);
}

function begin(chosen) {
  deck = chosen;
  order = shuffled(deck.cards.length);
  turn = 0;
  guesses = [];
  part("end").hidden = true;
  part("play").hidden = false;
  for (const button of part("modes").children) {
    button.setAttribute("aria-pressed", String(button.textContent === deck.name));
  }
  part("labels").replaceChildren(
    ...deck.labels.map((label) => {
      const button = make("button", `${label} (${keyOf(label)})`, { type: "button" });
      button.addEventListener("click", () => guess(label));
      return button;
    }),
  );
  show();
}

function card(number = turn) {
  return deck.cards[order[number]];
}

function show() {
  isOpen = true;
  part("healthy").src = deck.healthy[turn % deck.healthy.length];
  part("unknown").src = card().picture;
  part("told").textContent = "What is the picture on the right?";
  part("next").hidden = true;
  part("turn").textContent = `Picture ${turn + 1} of ${order.length}`;
  score();
}

function guess(label) {
  if (!isOpen || part("play").hidden) return;
  isOpen = false;
  guesses.push(label);
  const { label: truth, guess: model } = card();
  const said = label === truth ? `Right: ${truth}.` : `No: it is ${truth}.`;
  part("told").textContent = model === null ? said : `${said} The model says ${model}.`;
  part("next").hidden = false;
  part("next").focus();
  score();
}

function next() {
  if (isOpen) return;
  turn += 1;
  if (turn < order.length) show();
  else end();
}

/* Right and judged of the pictures guessed so far. */
function rightOf(said) {
  const judged = guesses.map((_, n) => n).filter((n) => said(n) !== null);
  return [judged.filter((n) => said(n) === card(n).label).length, judged.length];
}

const byPerson = (n) => guesses[n];
const byModel = (n) => card(n).guess;

function score() {
  const [right, judged] = rightOf(byPerson);
  const [modelRight, modelJudged] = rightOf(byModel);
  part("person").textContent = `${right} of ${judged}`;
  part("model").textContent = modelJudged ? `${modelRight} of ${modelJudged}` : "no guesses";
}

function end() {
  part("play").hidden = true;
  part("end").hidden = false;
  const tables = [table("You", byPerson)];
  if (rightOf(byModel)[1]) tables.push(table("The model", byModel));
  part("tables").replaceChildren(...tables);
  part("again").focus();
}

/* Rows: the truth; columns: what was said. */
function table(name, said) {
  const [right, judged] = rightOf(said);
  const found = document.createElement("table");
  found.append(make("caption", `${name}: ${right} of ${judged} right`));
  const head = document.createElement("tr");
  head.append(make("th", "truth \\ said", { scope: "col" }));
  for (const label of deck.labels) head.append(make("th", label, { scope: "col" }));
  found.append(head);
  for (const truth of deck.labels) {
    const row = document.createElement("tr");
    row.append(make("th", truth, { scope: "row" }));
    for (const label of deck.labels) {
      const count = guesses.filter((_, n) => card(n).label === truth && said(n) === label).length;
      row.append(make("td", String(count), truth === label ? { class: "hit" } : {}));
    }
    found.append(row);
  }
  return found;
}

for (const one of decks) {
  const button = make("button", one.name, { type: "button" });
  button.addEventListener("click", () => begin(one));
  part("modes").append(button);
}
part("next").addEventListener("click", next);
part("again").addEventListener("click", () => begin(deck));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  if (event.key === "Enter" && event.target === document.body) {
    event.preventDefault(); // or the button that is focused next would take it, too
    next();
  }
  const label = deck.labels.find((one) => keyOf(one) === event.key.toLowerCase());
  if (label !== undefined) guess(label);
});
part("game").hidden = false;
begin(deck);
