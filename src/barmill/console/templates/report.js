"use strict";
(() => {
  const root = document.documentElement;
  const figures = JSON.parse(document.getElementById("chart-data").textContent);
  root.classList.add("scripted");

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
      layout.font.family = family;
      layout.dragmode = touch.matches ? false : "zoom";
      if (paper) layout.width = box.closest(".multiples") ? paper / 2 - 20 : paper;
      else layout.autosize = true;
      if (layout.xaxis.type === "date" && (layout.width ?? box.clientWidth) < 480) layout.xaxis.nticks = 4;
      Plotly.react(box, data, layout, settings);
    }
  }
  draw();

  /* Theme: auto follows the system; a choice is kept for the next report where the browser lets us. */
  const chooser = document.querySelector(".theme");
  const key = "barmill-theme";
  function choose(theme) {
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
    draw();
  }
  function remembered() {
    try { return localStorage.getItem(key); } catch { return null; }
  }
  function remember(theme) {
    try { localStorage.setItem(key, theme); } catch { /* a file opened without storage keeps nothing */ }
  }
  chooser.hidden = false;
  chooser.addEventListener("change", (event) => { choose(event.target.value); remember(event.target.value); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw());
  const before = chooser.querySelector(`input[value="${remembered() === "dark" ? "dark" : remembered() === "light" ? "light" : "auto"}"]`);
  before.checked = true;
  if (before.value !== "auto") choose(before.value);

  /* Print: everything open, in light, as wide as paper. */
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("main details:not([open])")];
    for (const part of closed) part.open = true;
    root.style.colorScheme = "light";
    draw(660);
  });
  addEventListener("afterprint", () => {
    for (const part of closed) part.open = false;
    root.style.colorScheme = "";
    draw();
  });

  /* Contents: folded on small screens, and marking where one reads. */
  const contents = document.querySelector(".contents details");
  const wide = matchMedia("(min-width: 1120px)");
  const fold = () => { contents.open = wide.matches; };
  wide.addEventListener("change", fold);
  fold();
  const links = new Map([...document.querySelectorAll(".contents a")].map((link) => [link.hash.slice(1), link]));
  const seen = new Set();
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) entry.isIntersecting ? seen.add(entry.target.id) : seen.delete(entry.target.id);
    const current = [...links.keys()].find((id) => seen.has(id));
    for (const [id, link] of links) id === current ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
  }, { rootMargin: "-64px 0px -55% 0px" });
  for (const id of links.keys()) watch.observe(document.getElementById(id));
})();
