/* Outlines of cells as paths in level-0 px. */
"use strict";

/* The outline of all cells for which `inside(cell)` holds: neighbouring edges merged into lines.
   Where tiles lie apart, every cell has an outline of its own. */
function outlineCells(map, inside) {
  const path = new Path2D();
  if (map.covered < map.step) {
    for (let cell = 0; cell < map.rows * map.columns; cell += 1) {
      if (inside(cell)) path.rect(...corner(map, cell), map.covered, map.covered);
    }
    return path;
  }
  const { rows, columns } = map;
  const at = (row, column) =>
    row >= 0 && column >= 0 && row < rows && column < columns && inside(row * columns + column);
  const x = (column) => map.x0 + column * map.step;
  const y = (row) => map.y0 + row * map.step;
  for (let row = 0; row <= rows; row += 1) {
    eachRun(columns, (column) => at(row - 1, column) !== at(row, column), (from, to) => {
      path.moveTo(x(from), y(row));
      path.lineTo(x(to), y(row));
    });
  }
  for (let column = 0; column <= columns; column += 1) {
    eachRun(rows, (row) => at(row, column - 1) !== at(row, column), (from, to) => {
      path.moveTo(x(column), y(from));
      path.lineTo(x(column), y(to));
    });
  }
  return path;
}

function corner(map, cell) {
  const row = Math.floor(cell / map.columns);
  return [map.x0 + (cell - row * map.columns) * map.step, map.y0 + row * map.step];
}

/* Calls `found(from, to)` for every stretch of 0 ... length - 1 on which `holds(i)`. */
function eachRun(length, holds, found) {
  let from = -1;
  for (let i = 0; i <= length; i += 1) {
    const here = i < length && holds(i);
    if (here && from < 0) from = i;
    if (!here && from >= 0) {
      found(from, i);
      from = -1;
    }
  }
}

/* Annotations by name: { name, colour, count, path }. */
function annotationsOf(scene) {
  const byName = new Map();
  for (const { name, colour, rings } of scene.outlines) {
    if (!byName.has(name)) byName.set(name, { name, colour, count: 0, path: new Path2D() });
    const annotation = byName.get(name);
    annotation.count += 1;
    for (const ring of rings) {
      ring.forEach(([x, y], i) => annotation.path[i === 0 ? "moveTo" : "lineTo"](x, y));
      annotation.path.closePath();
    }
  }
  return [...byName.values()];
}
