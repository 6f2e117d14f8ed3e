"use strict";
(() => {
  const { record, grids } = JSON.parse(document.getElementById("data").textContent);
  const tip = document.getElementById("tip");
  const spell = (v) => (Number.isFinite(Number(v)) ? (v > 0 ? "+" : v < 0 ? "−" : "") + String(+Math.abs(v).toPrecision(3)) : "not a number");
  const all = (root, query) => [...root.querySelectorAll(query)];

  for (const article of all(document, "article[data-g]")) {
    const grid = grids[article.dataset.g];
    const sum = (values) => values.reduce((x, y) => x + Number(y), 0);
    const column = (j) => grid.values.map((row) => row[j]);
    const strongest = (values, names) => {
      const order = values.map((v, n) => [Math.abs(Number(v)), n]).sort((x, y) => y[0] - x[0]).slice(0, 3);
      return order.map(([, n]) => `${names[n]}  ${spell(values[n])}`);
    };
    const describe = ({ i, j }) => {
      if (i !== undefined && j !== undefined) {
        if (j === "term") return [grid.rows[i], `${spell(grid.row_terms[i])} ${grid.unit}: alone, against the baseline of text 2`];
        if (i === "term") return [grid.columns[j], `${spell(grid.column_terms[j])} ${grid.unit}: alone, against the baseline of text 1`];
        return [`${grid.rows[i]} – ${grid.columns[j]}`, `${spell(grid.values[i][j])} ${grid.unit}`, `all cells together ± ${spell(grid.error).slice(1)}`];
      }
      if (i !== undefined && i !== "term") return [grid.rows[i], `row ${spell(sum(grid.values[i]))}, alone ${spell(grid.row_terms[i])}`, ...strongest(grid.values[i], grid.columns)];
      if (j !== undefined && j !== "term") return [grid.columns[j], `column ${spell(sum(column(j)))}, alone ${spell(grid.column_terms[j])}`, ...strongest(column(j), grid.rows)];
      return null;
    };
    const light = (key) => {
      for (const el of all(article, ".lit")) el.classList.remove("lit");
      for (const svg of all(article, ".links")) svg.classList.toggle("some", Boolean(key));
      if (!key) return;
      const fits = (el) => {
        const { i, j } = el.dataset;
        if (i !== undefined && j !== undefined) return (key.i === undefined || key.i === i) && (key.j === undefined || key.j === j) && (el.tagName !== "TD" || (key.i !== undefined && key.j !== undefined));
        return i !== undefined ? i === key.i : j !== undefined && j === key.j;
      };
      for (const el of all(article, "[data-i],[data-j]")) if (fits(el)) el.classList.add("lit");
    };
    const show = (el) => {
      const key = { i: el.dataset.i, j: el.dataset.j };
      const lines = describe(key);
      if (!lines) return;
      const head = document.createElement("b");
      head.textContent = lines[0];
      tip.replaceChildren(head, "\n" + lines.slice(1).join("\n"));
      tip.hidden = false;
      const box = el.getBoundingClientRect(), own = tip.getBoundingClientRect();
      tip.style.left = Math.max(8, Math.min(innerWidth - own.width - 8, box.left + box.width / 2 - own.width / 2)) + "px";
      tip.style.top = (box.top > own.height + 12 ? box.top - own.height - 8 : box.bottom + 8) + "px";
      light(key);
    };
    const hide = () => { tip.hidden = true; light(null); };
    const under = (event) => event.target.closest && event.target.closest("[data-i],[data-j]");
    for (const [type, act] of [["pointerover", show], ["focusin", show], ["pointerout", hide], ["focusout", hide]])
      article.addEventListener(type, (event) => { const el = under(event); if (el) act(el); });

    // One stop of the Tab key per heat map; arrow keys walk through its cells.
    for (const table of all(article, ".pair table")) {
      const first = table.querySelector("td.u");
      if (first) first.tabIndex = 0;
      table.addEventListener("keydown", (event) => {
        const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
        const here = document.activeElement;
        if (!step || here.tagName !== "TD") return;
        const row = table.rows[here.parentElement.rowIndex + step[0]];
        let next = row && row.cells[here.cellIndex + step[1]];
        if (next && next.classList.contains("gap")) next = row.cells[here.cellIndex + 2 * step[1]];
        if (!next || !next.classList.contains("u")) return;
        event.preventDefault();
        here.tabIndex = -1;
        next.tabIndex = 0;
        next.focus();
      });
    }
  }
  for (const button of all(document, ".copy"))
    button.addEventListener("click", async () => {
      const said = button.parentElement.querySelector(".copied");
      try { await navigator.clipboard.writeText(JSON.stringify(record, null, 1)); said.textContent = "Copied."; }
      catch { said.textContent = "The browser did not allow it."; }
    });
  document.querySelector(".theme").addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
})();
