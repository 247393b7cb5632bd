/* Regions: cells that reach the threshold and touch along an edge. Python finds the same ones in
   results/regions.py; both compare in 32 bits. */
"use strict";

/* The regions of a layer, the largest first, then from top to bottom and left to right; `labels`
   holds the number of its region (from 1, in order of position) for every cell, 0 for none. */
function findRegions(map, layer, threshold, mpp) {
  const labels = new Int32Array(layer.length);
  const least = Math.fround(threshold);
  const regions = [];
  for (let cell = 0; cell < layer.length; cell += 1) {
    if (layer[cell] >= least && labels[cell] === 0) {
      const label = regions.length + 1;
      regions.push(measure(map, layer, fill(map, layer, least, labels, cell, label), label, mpp));
    }
  }
  return { labels, regions: regions.sort((a, b) => b.cells - a.cells || a.label - b.label) };
}

/* Gives the cells around a first one their label; their numbers in order of position. Nothing
   joins tiles that lie apart. */
function fill(map, layer, least, labels, first, label) {
  const cells = [first];
  labels[first] = label;
  if (map.covered < map.step) return cells;
  for (let next = 0; next < cells.length; next += 1) {
    const column = cells[next] % map.columns;
    for (const [step, stays] of [
      [-1, column > 0],
      [1, column < map.columns - 1],
      [-map.columns, true],
      [map.columns, true],
    ]) {
      const cell = cells[next] + step;
      if (stays && layer[cell] >= least && labels[cell] === 0) {
        labels[cell] = label;
        cells.push(cell);
      }
    }
  }
  return cells.sort((a, b) => a - b);
}

function measure(map, layer, cells, label, mpp) {
  let [sum, best] = [0, cells[0]];
  let [left, right] = [map.columns, 0];
  for (const cell of cells) {
    sum += layer[cell];
    if (layer[cell] > layer[best]) best = cell;
    left = Math.min(left, cell % map.columns);
    right = Math.max(right, cell % map.columns);
  }
  const [top, bottom] = [cells[0], cells[cells.length - 1]].map((c) => Math.floor(c / map.columns));
  return {
    label,
    cells: cells.length,
    area: areaOf(map, cells.length, mpp),
    max: layer[best],
    mean: sum / cells.length,
    peak: {
      x: map.x0 + (best % map.columns) * map.step + map.covered / 2,
      y: map.y0 + Math.floor(best / map.columns) * map.step + map.covered / 2,
    },
    bounds: {
      x: map.x0 + left * map.step,
      y: map.y0 + top * map.step,
      width: (right - left) * map.step + map.covered,
      height: (bottom - top) * map.step + map.covered,
    },
  };
}

/* In mm2; null without a scale. */
function areaOf(map, cells, mpp) {
  return mpp === null ? null : cells * (map.covered ** 2 * mpp ** 2 * 1e-6);
}

function countKnown(layer) {
  let known = 0;
  for (const p of layer) known += p === p ? 1 : 0;
  return known;
}

/* One sentence: how much of the analysed tissue reaches the threshold. */
function areaSentence(map, layer, regions, threshold, mpp) {
  const known = countKnown(layer);
  const cells = regions.reduce((sum, region) => sum + region.cells, 0);
  const area = mpp === null
    ? `${countText(cells * map.covered * map.covered)} px`
    : `${areaText(areaOf(map, cells, mpp))} mm²`;
  const share = known === 0 ? "no tissue was analysed"
    : `${fixed((100 * cells) / known, 1)} % of analysed tissue`;
  const start = `Area with p ≥ ${thresholdText(threshold)}: ${area}`;
  return `${start} in ${plural(regions.length, "region")}, ${share}`;
}
