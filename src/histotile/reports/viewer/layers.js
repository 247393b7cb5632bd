/* What lies over the slide, from bottom to top. Each layer draws in level-0 px. */
"use strict";

class Layers {
  constructor(scene, gallery) {
    this.scene = scene;
    this.gallery = gallery;
    this.cells = new Map();
    this.annotations = annotationsOf(scene);
    this.groups = [...scene.rejected, ...scene.marked].map((group, index) => ({
      ...group,
      swatch: swatchOf(index),
    }));
    this.fills = new Map();
  }

  draw(context, frame, state) {
    const on = (name) => state.layers.has(name);
    const { map } = this.scene;
    this.drawGallery(context, frame);
    if (on("mask") && this.veil) {
      context.drawImage(this.veil, 0, 0, this.scene.slide.width, this.scene.slide.height);
    }
    if (on("heat")) drawHeat(context, frame, map, this.cellsOf(state.shown), state);
    this.groups.forEach((group, index) => {
      if (on(`group-${index}`)) this.drawGroup(context, frame, group);
    });
    if (on("outlines")) {
      for (const { path, colour } of this.annotations) drawLine(context, frame, path, "#fff", colour, 2.5);
    }
    if (on("contour")) drawLine(context, frame, state.contour, "#000", "#fff", linePx(map, frame));
    if (state.flashing) drawLine(context, frame, state.flashing, "#000", "#ffd000", 4);
    if (state.chosen) this.drawTile(context, frame, state.chosen, "#ffd000", 3);
    if (state.hovered) this.drawTile(context, frame, state.hovered, "#fff", 2);
  }

  cellsOf(shown) {
    if (!this.cells.has(shown)) {
      const layer = layerOf(this.scene.map, shown);
      this.cells.set(shown, paintCells(this.scene.map, layer, this.scene.ramp));
    }
    return this.cells.get(shown);
  }

  /* The tiles whose pictures are in the page, in full resolution once that shows. */
  drawGallery(context, frame) {
    const { side } = this.scene.tiles;
    if (side * frame.scale < 40) return;
    for (const { x, y, image } of this.gallery) {
      if (image.complete) context.drawImage(image, x, y, side, side);
    }
  }

  drawGroup(context, frame, { x, y, swatch }) {
    const { side } = this.scene.tiles;
    const shown = side * frame.scale;
    context.save();
    context.setTransform(frame.ratio, 0, 0, frame.ratio, 0, 0);
    context.fillStyle = shown < 6 ? swatch.colour : this.fillOf(context, frame, swatch);
    context.strokeStyle = swatch.colour;
    context.lineWidth = 1;
    for (let i = 0; i < x.length; i += 1) {
      const [left, top] = [x[i] * frame.scale + frame.x, y[i] * frame.scale + frame.y];
      const isSeen = left + shown > 0 && top + shown > 0 && left < frame.width && top < frame.height;
      if (isSeen) {
        context.fillRect(left, top, shown, shown);
        if (shown >= 6) context.strokeRect(left, top, shown, shown);
      }
    }
    context.restore();
  }

  /* The pattern, moving along with the slide. */
  fillOf(context, frame, swatch) {
    const key = `${swatch.pattern} ${swatch.colour} ${frame.ratio}`;
    if (!this.fills.has(key)) {
      this.fills.set(key, context.createPattern(patternCanvas(swatch, frame.ratio), "repeat"));
    }
    const fill = this.fills.get(key);
    fill.setTransform(new DOMMatrix([1 / frame.ratio, 0, 0, 1 / frame.ratio, frame.x, frame.y]));
    return fill;
  }

  drawTile(context, frame, tile, colour, px) {
    const path = new Path2D();
    path.rect(tile.x, tile.y, this.scene.tiles.side, this.scene.tiles.side);
    drawLine(context, frame, path, "#000", colour, px);
  }

  /* Makes the veil over all that is no tissue, from the mask; `done` is called once it is there. */
  loadMask(done) {
    const image = new Image();
    image.addEventListener("load", () => {
      this.veil = veilOf(image);
      done();
    });
    image.src = this.scene.mask;
  }
}

/* A double line: the inner colour cased in the outer, to be seen on light and on dark. */
function drawLine(context, frame, path, outer, inner, px) {
  context.lineCap = "square";
  for (const [colour, width] of [[outer, px + 2.2], [inner, px]]) {
    context.strokeStyle = colour;
    context.lineWidth = width / frame.scale;
    context.stroke(path);
  }
}

/* Finer lines where cells look small, so that small regions are not hidden by their outline. */
function linePx(map, frame) {
  return Math.max(1, Math.min(1.75, (map.covered * frame.scale) / 5));
}

/* Dark where the mask is black, clear where it is white. */
function veilOf(image) {
  const canvas = make("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  for (let i = 0; i < pixels.data.length; i += 4) {
    const isTissue = pixels.data[i] > 127;
    pixels.data.set([27, 36, 48, isTissue ? 0 : 165], i);
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}
