/* The slide's picture for OpenSeadragon: a pyramid whose tiles stand in the page or in a folder
   beside it. Its coordinates are those of level 0, whatever the size of the picture. */
"use strict";

function pictureSource(scene) {
  const { slide, picture } = scene;
  const { levels, tile_px: side, folder } = picture;
  const tall = slide.height / slide.width;
  return {
    width: slide.width,
    height: slide.height,
    tileSize: side,
    minLevel: 0,
    maxLevel: levels.length - 1,
    getLevelScale: (level) => levels[level].width / slide.width,
    getNumTiles: (level) => new OpenSeadragon.Point(levels[level].columns, levels[level].rows),
    /* Exact even where a level is no whole fraction of the slide. */
    getTileBounds: (level, column, row, isSource) => {
      const { width, height } = levels[level];
      const w = Math.min(side, width - column * side);
      const h = Math.min(side, height - row * side);
      if (isSource) return new OpenSeadragon.Rect(0, 0, w, h);
      const down = tall / height;
      return new OpenSeadragon.Rect((column * side) / width, row * side * down, w / width, h * down);
    },
    getTileAtPoint: (level, point) => {
      const { width, height, columns, rows } = levels[level];
      const column = Math.floor((point.x * width) / side);
      const row = Math.floor(((point.y / tall) * height) / side);
      const within = (index, count) => Math.max(0, Math.min(count - 1, index));
      return new OpenSeadragon.Point(within(column, columns), within(row, rows));
    },
    getTileUrl: (level, column, row) =>
      folder === null
        ? levels[level].tiles[row * levels[level].columns + column]
        : `${folder}/${level}/${column}_${row}.jpg`,
    getTileHashKey: (level, column, row) => `${level}/${column}_${row}`,
  };
}

/* Where the pointer's wheel belongs: to the slide once the pointer has moved over it, to the page
   while the page is being scrolled. */
function shareWheel(viewer) {
  let isOver = false;
  viewer.element.addEventListener("pointermove", (event) => {
    if (event.movementX !== 0 || event.movementY !== 0) isOver = true;
  });
  viewer.element.addEventListener("pointerdown", () => { isOver = true; });
  window.addEventListener("scroll", () => { isOver = false; }, { passive: true });
  viewer.addHandler("canvas-scroll", (event) => {
    if (!isOver) {
      event.preventDefaultAction = true;
      event.preventDefault = false;
    }
  });
}

/* Keeps touches that the page already scrolls by from OpenSeadragon, which would try to stop them. */
function leaveScrolling(element) {
  const keep = (event) => { if (!event.cancelable) event.stopPropagation(); };
  element.addEventListener("touchmove", keep, { capture: true, passive: true });
}

/* While the whole slide shows, it needs no map of its own, and stays whole when the window changes. */
function keepWhole(viewer) {
  let isWhole = true;
  let isResized = false;
  viewer.addHandler("resize", () => { isResized = isWhole; });
  viewer.addHandler("update-viewport", () => {
    if (isResized) viewer.viewport.goHome(true);
    isResized = false;
    isWhole = viewer.viewport.getZoom() <= 1.05 * viewer.viewport.getHomeZoom();
    viewer.navigator.element.style.visibility = isWhole ? "hidden" : "visible";
  });
}

function openPicture(scene, element) {
  const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const viewer = new OpenSeadragon.Viewer({
    element,
    tileSources: pictureSource(scene),
    drawer: "canvas",
    crossOriginPolicy: false,
    showNavigationControl: false,
    showNavigator: true,
    navigatorPosition: "BOTTOM_RIGHT",
    navigatorSizeRatio: 0.18,
    navigatorAutoFade: false,
    animationTime: isStill ? 0.01 : 0.7,
    maxZoomPixelRatio: 4,
    minZoomImageRatio: 0.7,
    visibilityRatio: 0.5,
    imageLoaderLimit: 8,
    gestureSettingsMouse: { clickToZoom: false },
    gestureSettingsTouch: { clickToZoom: false, pinchRotate: false },
    gestureSettingsPen: { clickToZoom: false },
    cooperativeGestures: matchMedia("(pointer: coarse)").matches,
  });
  shareWheel(viewer);
  leaveScrolling(viewer.element);
  keepWhole(viewer);
  return viewer;
}
