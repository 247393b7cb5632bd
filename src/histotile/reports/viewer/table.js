/* The table of regions, written anew whenever the threshold or the class changes. */
"use strict";

function writeRegions(page, regions, mpp, fly) {
  const most = Number(page.regions.dataset.most);
  const rows = regions.slice(0, most).map((region, i) => {
    const button = make("button", { type: "button", class: "fly" }, String(i + 1));
    button.setAttribute("aria-label", `Show region ${i + 1}`);
    button.addEventListener("click", () => fly(region, i + 1));
    const texts = [
      ...(mpp === null ? [] : [areaText(region.area)]),
      fixed(region.max, 3),
      fixed(region.mean, 3),
      `${positionText(region.peak.x)}, ${positionText(region.peak.y)}`,
    ];
    const cells = texts.map((text) => make("td", { class: "number" }, text));
    return make("tr", {}, make("th", { scope: "row" }, button), ...cells);
  });
  page.regions.tBodies[0].replaceChildren(...rows);
  page.regions.hidden = rows.length === 0;
  const rest = regions.length - rows.length;
  page.rest.textContent = rest > 0 ? `and ${plural(rest, "smaller region")}` : "";
  page.noRegions.hidden = rows.length > 0;
}
