/* Moving over the slide: buttons, keys, flights to regions and tiles, full screen. */
"use strict";

class Navigation {
  constructor(app) {
    this.app = app;
    const { page, viewer } = app;
    const zoom = (factor) => viewer.viewport.zoomBy(factor).applyConstraints();
    const acts = {
      home: () => viewer.viewport.goHome(),
      in: () => zoom(1.6),
      out: () => zoom(1 / 1.6),
      full: () => this.toggleFull(),
    };
    for (const button of page.stage.querySelectorAll("button[data-act]")) {
      button.addEventListener("click", acts[button.dataset.act]);
      if (button.dataset.act === "full") button.hidden = !document.fullscreenEnabled;
    }
    document.addEventListener("fullscreenchange", () => {
      const isFull = document.fullscreenElement === page.root;
      const isTouch = matchMedia("(pointer: coarse)").matches;
      viewer.setCooperativeGestures(isTouch && !isFull);
      page.root.classList.toggle("full", isFull);
    });
    viewer.canvas.setAttribute("role", "application");
    viewer.canvas.setAttribute("aria-label", page.root.dataset.label);
    viewer.navigator.element.setAttribute("aria-hidden", "true");
    viewer.addHandler("canvas-key", (event) => this.onKey(event));
  }

  /* OpenSeadragon moves on arrows, +, - and 0; its keys that turn or flip the slide are off. */
  onKey(event) {
    const { key, code } = event.originalEvent;
    if (["KeyR", "KeyF", "KeyJ", "KeyK"].includes(code)) event.preventDefaultAction = true;
    if (key === "Enter" && this.app.state.hovered) this.app.choose(this.app.state.hovered);
    if (key === "Escape") this.app.choose(null);
  }

  toggleFull() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.app.page.root.requestFullscreen();
  }

  /* Shows an area of the slide with its surroundings; at least `least` level-0 px wide and high. */
  flyTo({ x, y, width, height }, least) {
    const { viewer, page } = this.app;
    const [wide, high] = [width, height].map((length) => Math.max(least, 1.5 * length));
    const [left, top] = [x + width / 2 - wide / 2, y + height / 2 - high / 2];
    viewer.viewport.fitBounds(viewer.viewport.imageToViewportRectangle(left, top, wide, high));
    page.stage.scrollIntoView({ block: "nearest" });
  }

  flyToRegion(region, number) {
    const { app } = this;
    this.flyTo(region.bounds, 6 * app.scene.map.step);
    app.flash(region);
    app.say(`Region ${number} is shown in the viewer`);
  }

  flyToTile(tile) {
    const { side } = this.app.scene.tiles;
    this.flyTo({ x: tile.x, y: tile.y, width: side, height: side }, 5 * side);
  }
}
