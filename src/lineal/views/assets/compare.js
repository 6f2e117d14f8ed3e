// Matrices: one stop of the Tab key each, arrow keys from cell to cell, the number beside what is pointed at or focused.
for (const table of all(document, "table[data-walk]")) {
  const names = all(table, "thead th"), cells = all(table, "td.u");
  cells.forEach((el, i) => { el.tabIndex = i ? -1 : 0; });
  onPoint(table, "td.u", (el) => {
    const row = el.parentElement.firstElementChild.textContent, column = names[el.cellIndex].textContent;
    showTip(el, el.dataset.v, [`${column} → ${row}`]);
  }, hideTip);
  const next = (el, down, right) => {
    for (let row = el.parentElement, at = el.cellIndex; row;) {
      if (down) row = down > 0 ? row.nextElementSibling : row.previousElementSibling;
      at += right;
      const found = row && row.cells[at];
      if (!found || found.classList.contains("u")) return found;
    }
  };
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  table.addEventListener("keydown", (event) => {
    const to = steps[event.key] && next(event.target, ...steps[event.key]);
    if (!to) return;
    event.preventDefault();
    focusOn(event.target, to);
  });
}
all(document, ".text").forEach(walkText);
