/* The heatmap: one px per cell in a small canvas, enlarged over the slide. */
"use strict";

/* Each cell in the colour of its probability, as opaque as it is probable; clear without tiles. */
function paintCells(map, layer, ramp) {
  const canvas = make("canvas");
  [canvas.width, canvas.height] = [map.columns, map.rows];
  const context = canvas.getContext("2d");
  const image = context.createImageData(map.columns, map.rows);
  const colours = ramp.map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
  layer.forEach((p, cell) => {
    if (p === p) {
      const level = Math.round(255 * Math.max(0, Math.min(1, p)));
      image.data.set(colours[level], 4 * cell);
      image.data[4 * cell + 3] = level;
    }
  });
  context.putImageData(image, 0, 0);
  return canvas;
}

/* Draws the cells that can be seen. `context` measures in level-0 px. */
function drawHeat(context, frame, map, cells, { opacity, smooth }) {
  const column = range(-frame.x / frame.scale - map.x0, frame.width / frame.scale, map, map.columns);
  const row = range(-frame.y / frame.scale - map.y0, frame.height / frame.scale, map, map.rows);
  if (column.count <= 0 || row.count <= 0) return;
  context.globalAlpha = opacity;
  context.imageSmoothingEnabled = smooth;
  if (map.covered < map.step && !smooth) drawApart(context, map, cells, column, row);
  else {
    context.drawImage(
      cells, column.from, row.from, column.count, row.count,
      map.x0 + column.from * map.step, map.y0 + row.from * map.step,
      column.count * map.step, row.count * map.step,
    );
  }
  context.globalAlpha = 1;
}

/* Where tiles lie apart, the slide shows between them. */
function drawApart(context, map, cells, column, row) {
  for (let r = row.from; r < row.from + row.count; r += 1) {
    for (let c = column.from; c < column.from + column.count; c += 1) {
      const [x, y] = [map.x0 + c * map.step, map.y0 + r * map.step];
      context.drawImage(cells, c, r, 1, 1, x, y, map.covered, map.covered);
    }
  }
}

/* The cells of one axis that a stretch of the slide meets, and one more on either side. */
function range(start, length, map, count) {
  const from = Math.max(0, Math.floor(start / map.step) - 1);
  const to = Math.min(count, Math.ceil((start + length) / map.step) + 1);
  return { from, count: to - from };
}
