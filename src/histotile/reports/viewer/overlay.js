/* The canvas over the slide's picture, drawn whenever the picture is. */
"use strict";

class Overlay {
  constructor(viewer, slide, draw) {
    this.viewer = viewer;
    this.slide = slide;
    this.draw = draw;
    this.canvas = make("canvas", { class: "overlay", "aria-hidden": "true" });
    viewer.canvas.append(this.canvas);
    this.context = this.canvas.getContext("2d");
    this.isAsked = false;
    viewer.addHandler("update-viewport", () => this.drawNow());
    viewer.addHandler("resize", () => this.ask());
  }

  /* Draws before the next picture is shown, once, however often it is asked. */
  ask() {
    if (this.isAsked) return;
    this.isAsked = true;
    requestAnimationFrame(() => {
      this.isAsked = false;
      this.drawNow();
    });
  }

  /* Level-0 px (x, y) lies at (x * scale + frame.x, y * scale + frame.y) in px of the page. */
  frame() {
    const { viewport, canvas } = this.viewer;
    const start = viewport.pixelFromPoint(new OpenSeadragon.Point(0, 0), true);
    const end = viewport.pixelFromPoint(new OpenSeadragon.Point(1, 0), true);
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const scale = (end.x - start.x) / this.slide.width;
    const { clientWidth: width, clientHeight: height } = canvas;
    return { scale, x: start.x, y: start.y, width, height, ratio };
  }

  drawNow() {
    if (!this.viewer.isOpen()) return;
    const frame = this.frame();
    const width = Math.round(frame.width * frame.ratio);
    const height = Math.round(frame.height * frame.ratio);
    if (this.canvas.width !== width || this.canvas.height !== height) {
      [this.canvas.width, this.canvas.height] = [width, height];
    }
    const { context } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    const zoom = frame.ratio * frame.scale;
    context.setTransform(zoom, 0, 0, zoom, frame.ratio * frame.x, frame.ratio * frame.y);
    this.draw(context, frame);
  }
}
