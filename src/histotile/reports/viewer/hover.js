/* The tile under the pointer, or under the cross in the middle when the keyboard leads. */
"use strict";

class Hover {
  constructor(app) {
    this.app = app;
    const { element, canvas } = app.viewer;
    element.addEventListener("pointermove", (event) => {
      if (event.pointerType === "mouse" && event.buttons === 0) this.point(this.within(event));
    });
    element.addEventListener("pointerleave", () => this.clear());
    document.addEventListener("keydown", () => { this.isKeyboard = true; }, true);
    document.addEventListener("pointerdown", () => { this.isKeyboard = false; }, true);
    element.addEventListener("pointerdown", () => this.clear());
    canvas.addEventListener("focus", () => this.follow());
    canvas.addEventListener("keydown", () => this.follow());
    canvas.addEventListener("blur", () => this.clear());
    app.viewer.addHandler("animation", () => this.follow());
    app.viewer.addHandler("animation-finish", () => this.say());
  }

  within(event) {
    const box = this.app.viewer.canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  middle() {
    const { clientWidth, clientHeight } = this.app.viewer.canvas;
    return { x: clientWidth / 2, y: clientHeight / 2 };
  }

  /* The tile at a place of the picture, in px of the page. */
  tileAt({ x, y }) {
    const frame = this.app.overlay.frame();
    return this.app.index.find((x - frame.x) / frame.scale, (y - frame.y) / frame.scale);
  }

  point(place) {
    if (!this.app.viewer.isOpen()) return;
    const { page, state, index, overlay } = this.app;
    const tile = this.tileAt(place);
    if (tile !== state.hovered) {
      state.hovered = tile;
      overlay.ask();
      if (tile) page.tip.replaceChildren(factList(factsOf(index, tile)));
    }
    page.tip.hidden = tile === null;
    if (tile) this.putTip(place);
  }

  /* Beside the place, on the side where there is room. */
  putTip({ x, y }) {
    const { tip, stage } = this.app.page;
    const [width, height] = [tip.offsetWidth, tip.offsetHeight];
    const left = x + 18 + width > stage.clientWidth ? x - 18 - width : x + 18;
    const top = Math.min(y + 18, stage.clientHeight - height - 6);
    tip.style.transform = `translate(${Math.max(4, left)}px, ${Math.max(4, top)}px)`;
  }

  clear() {
    const { page, state, overlay } = this.app;
    page.tip.hidden = true;
    page.cross.hidden = true;
    if (state.hovered) {
      state.hovered = null;
      overlay.ask();
    }
  }

  /* Shows the tile in the middle while the keyboard leads. */
  follow() {
    const { page, viewer } = this.app;
    const leads = this.isKeyboard && document.activeElement === viewer.canvas;
    page.cross.hidden = !leads;
    if (leads) this.point(this.middle());
    return leads;
  }

  say() {
    if (!this.follow()) return;
    const { state, index } = this.app;
    const tile = state.hovered;
    this.app.say(tile ? `Tile: ${factSentence(factsOf(index, tile))}` : "No tile in the middle");
  }
}
