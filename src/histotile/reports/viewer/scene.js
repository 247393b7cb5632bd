/* The scene of a slide page: JSON inside the page, its long columns as typed arrays. All positions
   are pixels of level 0 of the whole slide. */
"use strict";

function readScene(element) {
  const scene = JSON.parse(element.textContent);
  scene.map.values = new Float32Array(decode(scene.map.values));
  scene.tiles.probabilities = new Float32Array(decode(scene.tiles.probabilities));
  for (const group of [scene.tiles, ...scene.rejected, ...scene.marked]) {
    group.x = new Int32Array(decode(group.x));
    group.y = new Int32Array(decode(group.y));
  }
  return scene;
}

function decode(base64) {
  const raw = atob(base64);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i += 1) bytes[i] = raw.charCodeAt(i);
  return bytes.buffer;
}

/* The probabilities of one class, row by row; NaN where there is no tile. */
function layerOf(map, shown) {
  const cells = map.rows * map.columns;
  return map.values.subarray(shown * cells, (shown + 1) * cells);
}
