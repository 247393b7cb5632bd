/* The viewer of a slide: reads the scene of the page, builds the parts, ties them together. */
"use strict";

class Viewer {
  constructor(root) {
    this.page = partsOf(root);
    this.scene = readScene(document.getElementById("scene"));
    const { shown, threshold, opacity } = this.scene;
    this.state = { shown, threshold, opacity, smooth: false, layers: new Set(), hovered: null };
    this.change = this.change.bind(this);
    const { width, height } = this.scene.slide;
    this.page.picture.style.setProperty("--aspect", `${width} / ${height}`);
    root.hidden = false;
    this.gallery = readGallery();
    this.index = new TileIndex(this.scene);
    this.layers = new Layers(this.scene, this.gallery);
    this.viewer = openPicture(this.scene, this.page.picture);
    this.overlay = new Overlay(this.viewer, this.scene.slide, (context, frame) => {
      this.layers.draw(context, frame, this.state);
      updateScaleBar(this.page.scaleBar, frame, this.scene.slide.mpp);
    });
    this.navigation = new Navigation(this);
    this.hover = new Hover(this);
    buildControls(this);
    this.change({});
    this.bindTiles();
  }

  /* Another class or threshold: contour, sentence and table follow. */
  change(changes) {
    const { state, scene, page } = this;
    Object.assign(state, changes);
    const { map, slide } = scene;
    const layer = layerOf(map, state.shown);
    const least = Math.fround(state.threshold);
    Object.assign(state, findRegions(map, layer, state.threshold, slide.mpp), { flashing: null });
    state.contour = outlineCells(map, (cell) => layer[cell] >= least);
    page.thresholdText.textContent = thresholdText(state.threshold);
    page.area.textContent = areaSentence(map, layer, state.regions, state.threshold, slide.mpp);
    page.shownClass.textContent = scene.classes[state.shown].name;
    writeRegions(page, state.regions, slide.mpp, (...region) => {
      this.navigation.flyToRegion(...region);
    });
    this.overlay.ask();
  }

  bindTiles() {
    this.viewer.addHandler("canvas-click", (event) => {
      if (!event.quick) return;
      const tile = this.hover.tileAt(event.position);
      this.choose(tile);
      if (tile) this.say(`Tile: ${factSentence(factsOf(this.index, tile))}`);
    });
    for (const { x, y, button } of this.gallery) {
      button.addEventListener("click", () => {
        const tile = this.index.at(x, y);
        this.choose(tile);
        this.navigation.flyToTile(tile);
        this.say(`The tile at x ${x}, y ${y} is shown in the viewer`);
      });
    }
  }

  /* Marks a tile and tells of it; null: none. */
  choose(tile) {
    this.state.chosen = tile;
    this.overlay.ask();
    if (tile === null) {
      this.page.panel.hidden = true;
      return;
    }
    const entry = this.gallery.find(({ x, y }) => x === tile.x && y === tile.y);
    showPanel(this.page, this.index, tile, entry?.image, () => {
      this.choose(null);
      this.viewer.canvas.focus({ preventScroll: true });
    });
  }

  /* Lets the outline of a region blink. */
  flash(region) {
    const { state } = this;
    const path = outlineCells(this.scene.map, (cell) => state.labels[cell] === region.label);
    const blinks = matchMedia("(prefers-reduced-motion: reduce)").matches ? 1 : 7;
    clearInterval(this.blinking);
    let left = blinks;
    const blink = () => {
      state.flashing = left % 2 === 1 ? path : null;
      this.overlay.ask();
      left -= 1;
      if (left < 0) clearInterval(this.blinking);
    };
    this.blinking = setInterval(blink, blinks === 1 ? 2500 : 350);
    blink();
  }

  say(words) {
    this.page.spoken.textContent = words;
  }
}

/* The elements of the page that the viewer fills. */
function partsOf(root) {
  const parts = { root };
  for (const element of document.querySelectorAll("[data-part]")) {
    parts[element.dataset.part] = element;
  }
  return parts;
}

/* The tiles whose pictures stand in the page. */
function readGallery() {
  return [...document.querySelectorAll("button.tile")].map((button) => ({
    button,
    x: Number(button.dataset.x),
    y: Number(button.dataset.y),
    image: button.querySelector("img"),
  }));
}

function startViewer() {
  const app = new Viewer(document.getElementById("viewer"));
  app.viewer.addOnceHandler("open", () => document.documentElement.classList.add("viewing"));
  app.viewer.addOnceHandler("tile-drawn", () => performance.mark("slide drawn"));
  window.histotile = app;
}

startViewer();
