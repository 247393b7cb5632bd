/* The scale bar: a round length of at most a quarter of the view. */
"use strict";

function updateScaleBar(element, frame, mpp) {
  if (mpp === null) return;
  const most = Math.min(200, frame.width / 4) * (mpp / frame.scale);
  const power = 10 ** Math.floor(Math.log10(most));
  const um = [5, 2, 1].map((digit) => digit * power).find((length) => length <= most);
  element.hidden = false;
  element.style.width = `${(um / mpp) * frame.scale}px`;
  element.textContent = um >= 1000 ? `${um / 1000} mm` : `${Number(um.toPrecision(1))} µm`;
}
