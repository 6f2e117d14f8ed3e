// Matrices: a cell, a word beside it and a word above it say their numbers, and light up what belongs to them.
(() => {
  const { record, grids } = JSON.parse(document.getElementById("data").textContent);
  const spell = (v) => (Number.isFinite(Number(v)) ? (v > 0 ? "+" : v < 0 ? "−" : "") + String(+Math.abs(v).toPrecision(3)) : "not a number");
  const sum = (values) => values.reduce((x, y) => x + Number(y), 0);

  for (const article of all(document, "article[data-g]")) {
    const grid = grids[article.dataset.g];
    const table = article.querySelector(".pair table");
    const unit = grid.unit;
    const column = (j) => grid.values.map((row) => row[j]);
    const strongest = (values, names, not) => {
      const order = values.map((v, n) => [Math.abs(Number(v)), n]).filter(([, n]) => n !== not).sort((x, y) => y[0] - x[0]).slice(0, 3);
      return order.filter(([size]) => size).map(([, n]) => `${names[n]}  ${spell(values[n])}`);
    };

    // Where an element stands: i the row, j the column, "term" the margin. Cells know it by their place in the table.
    const place = (el) => {
      if (!table.contains(el)) return { i: el.dataset.i && Number(el.dataset.i), j: el.dataset.j && Number(el.dataset.j) };
      const at = (n, many) => (n < 0 ? undefined : n < many ? n : "term");
      return { i: at(el.parentElement.rowIndex - 1, grid.rows.length), j: at(el.cellIndex - 1, grid.columns.length) };
    };
    const ofPair = ({ i, j }) => {
      const alone = (terms, n) => (terms.length ? `, alone ${spell(terms[n])}` : "");
      if (i === undefined && j === "term") return ["alone", `words of text 1, in sum ${spell(sum(grid.row_terms))} ${unit}`];
      if (i === "term" && j === undefined) return ["alone", `words of text 2, in sum ${spell(sum(grid.column_terms))} ${unit}`];
      if (j === "term") return [grid.rows[i], `${spell(grid.row_terms[i])} ${unit}: alone, against the baseline of text 2`];
      if (i === "term") return [grid.columns[j], `${spell(grid.column_terms[j])} ${unit}: alone, against the baseline of text 1`];
      if (i !== undefined && j !== undefined) return [`${grid.rows[i]} – ${grid.columns[j]}`, `${spell(grid.values[i][j])} ${unit}`, `all cells together ± ${spell(grid.error).slice(1)}`];
      if (i !== undefined) return [grid.rows[i], `row ${spell(sum(grid.values[i]))}${alone(grid.row_terms, i)}`, ...strongest(grid.values[i], grid.columns)];
      return [grid.columns[j], `column ${spell(sum(column(j)))}${alone(grid.column_terms, j)}`, ...strongest(column(j), grid.rows)];
    };
    const ofInteractions = ({ i, j }) => {
      if (i === undefined && j === "term") return ["sum", `all rows, in sum ${spell(sum(grid.row_terms))} ${unit}`];
      if (i !== undefined && j !== undefined && j !== "term") {
        const value = grid.values[i][j];
        if (i === j) return [grid.rows[i], `${spell(value)} ${unit} by itself`];
        return [`${grid.rows[i]} – ${grid.columns[j]}`, `together ${spell(2 * value)} ${unit}`, `half of it in this cell, half in its mirror image`, `all cells together ± ${spell(grid.error).slice(1)}`];
      }
      const n = i === undefined ? j : i;
      const head = `${spell(grid.row_terms[n])} ${unit} in sum, ${spell(grid.values[n][n])} of it by itself`;
      return [grid.rows[n], head, ...strongest(grid.values[n].map((v) => 2 * v), grid.columns, n)];
    };
    const describe = (key) => (key.i === undefined && key.j === undefined ? null : grid.symmetric ? ofInteractions(key) : ofPair(key));

    const light = ({ i, j } = {}) => {
      for (const el of all(article, ".lit")) el.classList.remove("lit");
      const some = i !== undefined || j !== undefined;
      for (const svg of all(article, ".links")) svg.classList.toggle("some", some);
      if (!some) return;
      const cell = (r, c) => table.rows[r].cells[c + (c > grid.columns.length)]; // the gap before the margin
      const r = i === undefined ? 0 : i === "term" ? grid.rows.length + 1 : i + 1;
      const c = j === undefined ? 0 : j === "term" ? grid.columns.length + 1 : j + 1;
      for (const el of [cell(r, 0), cell(0, c), cell(r, c)]) el.classList.add("lit");
      for (const el of all(article, ".links [data-i], .links [data-j]")) {
        const own = place(el), word = own.i === undefined || own.j === undefined;
        const fits = (a, b) => (word ? a !== undefined && a === b : b === undefined || a === b);
        if (word ? fits(own.i, i) || fits(own.j, j) : fits(own.i, i) && fits(own.j, j)) el.classList.add("lit");
      }
    };
    const show = (el) => {
      const key = place(el), lines = describe(key);
      if (!lines) return;
      showTip(el, lines[0], lines.slice(1));
      if (el.tagName === "TD") el.setAttribute("aria-label", lines.slice(0, 2).join(": ")); // a cell has no text of its own
      light(key);
    };
    onPoint(article, ".pair td.u, .pair th[scope], .links [data-i], .links [data-j]", show, (el) => { hideTip(el); light(); });

    // One stop of the Tab key per heat map; arrow keys walk through its cells and names, Home and End go to the ends of a row.
    const stop = table.querySelector("td.u");
    if (stop) stop.tabIndex = 0;
    table.addEventListener("keydown", (event) => {
      const here = document.activeElement, row = here.parentElement;
      if (!table.contains(here) || event.ctrlKey || event.altKey || event.metaKey) return;
      const can = (cell) => cell && cell.matches("td.u, th[scope]");
      const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
      const ends = { Home: [...row.cells], End: [...row.cells].reverse() }[event.key];
      let next = ends && ends.find(can);
      if (step) {
        const line = table.rows[row.rowIndex + step[0]];
        next = line && line.cells[here.cellIndex + step[1]];
        if (next && next.matches(".gap")) next = line.cells[here.cellIndex + 2 * step[1]];
      }
      if (!step && !ends) return;
      event.preventDefault();
      if (can(next)) focusOn(here, next);
    });

    // Words of a tinted text carry their number.
    onPoint(article, ".text .u", (el) => showTip(el, el.textContent, [`${el.dataset.v} ${unit}`, el.closest(".text").dataset.what]), hideTip);
    for (const text of all(article, ".text")) walkText(text);
  }
  for (const button of all(document, ".copy")) copies(button, record);
})();
