/* The controls beside the slide: class, sliders, layers. */
"use strict";

function buildControls(app) {
  const { page, scene, state, layers } = app;
  buildClasses(app);
  const layer = (name, words, key, isOn) => {
    const box = make("input", { type: "checkbox", "data-layer": name });
    box.checked = isOn;
    if (isOn) state.layers.add(name);
    box.addEventListener("change", () => {
      state.layers[box.checked ? "add" : "delete"](name);
      if (name === "mask" && box.checked && !layers.veil) layers.loadMask(() => app.overlay.ask());
      app.overlay.ask();
    });
    return make("label", { class: "choice" }, box, ...(key ? [key] : []), make("span", {}, ...words));
  };
  page.layers.append(
    layer("heat", ["Heatmap"], null, true),
    layer("contour", ["Contour at the threshold"], lineKey("contour"), true),
  );
  if (scene.mask !== null) page.layers.append(layer("mask", ["Darken all but tissue"], null, false));
  if (layers.annotations.length > 0) {
    page.layers.append(layer("outlines", ["Annotations"], null, true), annotationKeys(layers));
  }
  layers.groups.forEach((group, index) => {
    const words = [isolated(group.reason), ` (${countText(group.x.length)})`];
    const list = index < scene.rejected.length ? page.rejected : page.marked;
    list.append(layer(`group-${index}`, words, swatchKey(group.swatch), false));
    list.hidden = false;
  });
  bindSliders(app);
}

function buildClasses({ page, scene, state, change }) {
  scene.classes.forEach(({ name }, index) => {
    const radio = make("input", { type: "radio", name: "shown", value: String(index) });
    radio.checked = index === state.shown;
    radio.addEventListener("change", () => change({ shown: index }));
    page.classes.append(make("label", { class: "choice" }, radio, make("span", {}, isolated(name))));
  });
}

function lineKey(kind) {
  return make("span", { class: `line ${kind}`, "aria-hidden": "true" });
}

function annotationKeys(layers) {
  const list = make("ul", { class: "keys" });
  for (const { name, colour, count } of layers.annotations) {
    const key = lineKey("annotation");
    key.style.background = colour;
    list.append(make("li", {}, key, isolated(name), ` (${countText(count)})`));
  }
  return list;
}

function bindSliders({ page, state, change, overlay, scene }) {
  page.threshold.value = String(state.threshold);
  page.threshold.addEventListener("input", () => {
    change({ threshold: page.threshold.valueAsNumber });
  });
  page.opacity.value = String(state.opacity);
  const showOpacity = () => {
    page.opacityText.textContent = `${Math.round(100 * state.opacity)} %`;
    drawRamp(page.ramp, scene.ramp, state.opacity);
  };
  page.opacity.addEventListener("input", () => {
    state.opacity = page.opacity.valueAsNumber;
    showOpacity();
    overlay.ask();
  });
  showOpacity();
  page.smooth.addEventListener("change", () => {
    state.smooth = page.smooth.checked;
    overlay.ask();
  });
}

/* The colour bar: as the cells look over white. */
function drawRamp(canvas, ramp, opacity) {
  const context = canvas.getContext("2d");
  [canvas.width, canvas.height] = [ramp.length, 1];
  ramp.forEach((colour, level) => {
    context.globalAlpha = (opacity * level) / (ramp.length - 1);
    context.fillStyle = colour;
    context.fillRect(level, 0, 1, 1);
  });
}
