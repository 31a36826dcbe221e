"use strict";
(() => {
  const root = document.documentElement;
  const figures = JSON.parse(document.getElementById("chart-data").textContent);

  /* Colours. A figure names variables of the style sheet; a probe asks what they are just now. */
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  function colour(name) {
    const [variable, alpha] = name.slice(1).split("/");
    if (variable === "clear") return "rgba(0,0,0,0)";
    probe.style.color = `var(--${variable})`;
    const [r, g, b] = getComputedStyle(probe).color.match(/[\d.]+/g);
    return `rgba(${r},${g},${b},${alpha ?? 1})`;
  }
  function coloured(value, key) {
    if (typeof value === "string") return /color$/.test(key) && value.startsWith("$") ? colour(value) : value;
    if (Array.isArray(value)) return typeof value[0] === "object" ? value.map((item) => coloured(item, key)) : value.slice();
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([inner, item]) => [inner, coloured(item, inner)]));
  }

  /* Charts. */
  const touch = matchMedia("(pointer: coarse)");
  const family = getComputedStyle(document.body).fontFamily;
  const settings = { responsive: true, displaylogo: false, displayModeBar: false, scrollZoom: false };
  function draw(paper) {
    for (const [place, figure] of Object.entries(figures)) {
      const box = document.getElementById(place);
      const { data, layout } = coloured(figure, "");
      for (const trace of data) trace.x ??= figure.x; /* curves that share their times */
      layout.font.family = family;
      layout.dragmode = touch.matches ? false : "zoom";
      if (paper) layout.width = box.closest(".multiples") ? paper / 2 - 20 : paper;
      else layout.autosize = true;
      if (layout.xaxis.type === "date" && (layout.width ?? box.clientWidth) < 480) layout.xaxis.nticks = 4;
      Plotly.react(box, data, layout, settings);
    }
  }
  draw();
  root.addEventListener("recolour", () => draw());
  addEventListener("beforeprint", () => draw(660)); /* as wide as paper */
  addEventListener("afterprint", () => draw());
})();
