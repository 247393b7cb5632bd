/* Every tile of the slide by its place: those with probabilities, and those set aside. */
"use strict";

class TileIndex {
  constructor(scene) {
    this.scene = scene;
    this.side = scene.tiles.side;
    this.byCell = new Map();
    const { x, y } = scene.tiles;
    for (let row = 0; row < x.length; row += 1) this.at(x[row], y[row]).row = row;
    for (const { reason, x: left, y: top } of scene.rejected) {
      left.forEach((_, i) => this.at(left[i], top[i]).rejected.push(reason));
    }
    for (const { reason, x: left, y: top } of scene.marked) {
      left.forEach((_, i) => this.at(left[i], top[i]).marked.push(reason));
    }
  }

  /* The tile with that corner; made where there was none. */
  at(x, y) {
    const { x0, y0, step } = this.scene.map;
    const key = this.key(Math.round((x - x0) / step), Math.round((y - y0) / step));
    if (!this.byCell.has(key)) this.byCell.set(key, []);
    const tiles = this.byCell.get(key);
    let tile = tiles.find((other) => other.x === x && other.y === y);
    if (!tile) {
      tile = { x, y, row: -1, rejected: [], marked: [] };
      tiles.push(tile);
    }
    return tile;
  }

  key(column, row) {
    return row * 2 ** 24 + column;
  }

  /* The tile over a point, of overlapping ones that whose centre is nearest; null for none. */
  find(x, y) {
    const { x0, y0, step } = this.scene.map;
    const reach = Math.ceil(this.side / step);
    const [column, row] = [Math.floor((x - x0) / step), Math.floor((y - y0) / step)];
    let [best, nearest] = [null, Infinity];
    for (let r = row - reach; r <= row + 1; r += 1) {
      for (let c = column - reach; c <= column + 1; c += 1) {
        for (const tile of this.byCell.get(this.key(c, r)) ?? []) {
          const [right, down] = [x - tile.x, y - tile.y];
          const isOver = right >= 0 && down >= 0 && right < this.side && down < this.side;
          const far = Math.hypot(right - this.side / 2, down - this.side / 2);
          if (isOver && far < nearest) [best, nearest] = [tile, far];
        }
      }
    }
    return best;
  }

  /* One probability per class; none for a tile that was set aside. */
  probabilities(tile) {
    const classes = this.scene.classes.length;
    if (tile.row < 0) return [];
    const values = this.scene.tiles.probabilities;
    return [...values.subarray(tile.row * classes, (tile.row + 1) * classes)];
  }
}
