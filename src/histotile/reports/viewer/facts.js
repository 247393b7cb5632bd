/* What is known of a tile, in words: beside the pointer, and in the panel of a chosen tile. */
"use strict";

/* Pairs of a term and a text. */
function factsOf(index, tile) {
  const { classes } = index.scene;
  const facts = [["x", countText(tile.x)], ["y", countText(tile.y)]];
  index.probabilities(tile).forEach((p, k) => {
    facts.push([classes[k].name, p === p ? fixed(p, 3) : "none"]);
  });
  if (tile.row < 0 && tile.rejected.length > 0) facts.push(["Set aside", tile.rejected.join(", ")]);
  if (tile.marked.length > 0) facts.push(["Marked", tile.marked.join(", ")]);
  return facts;
}

function factList(facts) {
  const list = make("dl", { class: "tile-facts" });
  for (const [term, text] of facts) {
    list.append(make("div", {}, make("dt", {}, isolated(term)), make("dd", {}, isolated(text))));
  }
  return list;
}

function factSentence(facts) {
  return facts.map(([term, text]) => `${term} ${text}`).join(", ");
}

/* The panel of a tile: its picture if the page has it, what is known of it, and a way to close. */
function showPanel(page, index, tile, picture, onClose) {
  const close = make("button", { type: "button", class: "close", "aria-label": "Close" }, "×");
  close.addEventListener("click", onClose);
  const parts = [close, make("h3", { id: "panel-title" }, "Tile")];
  if (picture) {
    const image = make("img", { alt: `Tile at x ${tile.x}, y ${tile.y}, full resolution` });
    image.src = picture.src;
    parts.push(image);
  }
  parts.push(factList(factsOf(index, tile)));
  if (!picture) {
    const words = "The page holds pictures of the most probable and the most uncertain tiles only.";
    parts.push(make("p", { class: "small" }, words));
  }
  page.panel.replaceChildren(...parts);
  page.panel.hidden = false;
}
