"use strict";
/* What every page does. A page's own script listens for "recolour" on the root. */
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");

  /* Theme: auto follows the system; a choice is kept for the next report where the browser lets us. */
  const chooser = document.querySelector(".theme");
  const key = "barmill-theme";
  function choose(theme) {
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
    root.dispatchEvent(new Event("recolour"));
  }
  function remembered() {
    try { return localStorage.getItem(key); } catch { return null; }
  }
  function remember(theme) {
    try { localStorage.setItem(key, theme); } catch { /* a file opened without storage keeps nothing */ }
  }
  chooser.hidden = false;
  chooser.addEventListener("change", (event) => { choose(event.target.value); remember(event.target.value); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => root.dispatchEvent(new Event("recolour")));
  const before = chooser.querySelector(`input[value="${remembered() === "dark" ? "dark" : remembered() === "light" ? "light" : "auto"}"]`);
  before.checked = true;
  if (before.value !== "auto") choose(before.value);

  /* Print: everything open, in light. */
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("main details:not([open])")];
    for (const part of closed) part.open = true;
    root.style.colorScheme = "light";
  });
  addEventListener("afterprint", () => {
    for (const part of closed) part.open = false;
    root.style.colorScheme = "";
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
