// Tables of more than a few rows are sorted by the column whose head is pressed: largest first, then smallest first.
for (const table of document.querySelectorAll("table.block")) {
  const body = table.tBodies[0];
  if (body.rows.length < 4) continue;
  const heads = [...table.tHead.rows[0].cells].filter((cell) => cell.textContent.trim());
  const worth = (row, i) => {
    const text = row.cells[i].textContent.trim(), value = parseFloat(text.replace(/−/g, "-").replace(/[,<+[\s]/g, ""));
    return Number.isNaN(value) ? text.toLowerCase() : value;
  };
  for (const head of heads) {
    const button = document.createElement("button"), i = head.cellIndex;
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].map((row) => [worth(row, i), row]);
      rows.sort(([a], [b]) => (typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "string" ? -1 : 1) * (down ? -1 : 1));
      body.append(...rows.map(([, row]) => row));
    });
  }
}
