"use strict";
(() => {
  /* Sorting: by the figures as they are, not as they are written; rows without one stay last. */
  const table = document.querySelector("table.leaders");
  if (!table) return;
  const body = table.tBodies[0];
  const collator = new Intl.Collator("en", { numeric: true });
  function sort(column, heading) {
    const way = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    const keyed = [...body.rows].map((row) => ({ row, key: column ? row.cells[column].dataset.key : row.dataset.name }));
    keyed.sort((a, b) => {
      if (a.key === "" || b.key === "") return (a.key === "") - (b.key === "");
      return way * (column ? a.key - b.key : collator.compare(a.key, b.key));
    });
    body.append(...keyed.map(({ row }) => row));
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", way < 0 ? "descending" : "ascending");
    table.classList.toggle("sorted", !(column === 1 && way > 0));
  }
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(heading.firstChild);
    heading.prepend(button);
    button.addEventListener("click", () => sort(column, heading));
  });
})();
