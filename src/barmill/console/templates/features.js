"use strict";
(() => {
  /* Sorting: by the figures as they are, not as they are written; rows without one stay last. */
  const table = document.querySelector("table.features");
  const body = table.tBodies[0];
  const collator = new Intl.Collator("en", { numeric: true });
  function sort(column, heading) {
    const descending = heading.getAttribute("aria-sort") !== "descending" && column > 0 || heading.getAttribute("aria-sort") === "ascending";
    const way = descending ? -1 : 1;
    const keyed = [...body.rows].map((row) => ({ row, key: column ? row.cells[column].dataset.key : row.dataset.name }));
    keyed.sort((a, b) => {
      if (a.key === "" || b.key === "") return (a.key === "") - (b.key === "");
      return way * (column ? a.key - b.key : collator.compare(a.key, b.key));
    });
    body.append(...keyed.map(({ row }) => row));
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
  }
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(heading.firstChild);
    heading.prepend(button);
    button.addEventListener("click", () => sort(column, heading));
  });

  /* Choosing by name and flag, in the table and among the pictures. */
  const tools = document.querySelector(".tools");
  const parts = [...body.rows, ...document.querySelectorAll(".shape")];
  const total = body.rows.length;
  function choose() {
    const text = tools.elements.text.value.trim().toLowerCase();
    const flag = tools.elements.flag.value;
    let shown = 0;
    for (const part of parts) {
      const flags = part.dataset.flags.split(" ").filter(Boolean);
      const wanted = flag === "" || (flag === "any" ? flags.length > 0 : flag === "none" ? flags.length === 0 : flags.includes(flag));
      part.hidden = !(wanted && part.dataset.name.toLowerCase().includes(text));
      if (!part.hidden && part.parentNode === body) shown += 1;
    }
    tools.querySelector("output").value = shown === total ? "" : `${shown} of ${total}`;
  }
  tools.hidden = false;
  tools.addEventListener("input", choose);
  tools.addEventListener("submit", (event) => event.preventDefault());

  /* The map of correlations: what is pointed at, in words. */
  const map = document.querySelector(".map");
  if (map) {
    const { names, rho } = JSON.parse(document.getElementById("likeness-data").textContent);
    const values = Int8Array.from(atob(rho), (byte) => byte.charCodeAt(0));
    const said = document.querySelector(".pair");
    const read = (event) => {
      const box = map.querySelector("img").getBoundingClientRect();
      const place = (at, size) => Math.min(names.length - 1, Math.max(0, Math.floor((at / size) * names.length)));
      const row = place(event.clientY - box.top, box.height);
      const column = place(event.clientX - box.left, box.width);
      const figure = (values[row * names.length + column] / 100).toFixed(2).replace("-", "\u2212");
      said.textContent = row === column ? names[row] : `${names[row]} and ${names[column]}: ${figure}`;
    };
    map.addEventListener("pointermove", read);
    map.addEventListener("pointerdown", read);
  }
})();
