(() => {
  const { records, scales, units } = JSON.parse(document.getElementById("data").textContent);
  const spell = (v) => (Number.isFinite(v) ? (v > 0 ? "+" : v < 0 ? "−" : "") + String(+Math.abs(v).toPrecision(4)) : "not a number");
  const sum = (row, [a, b]) => row.slice(a, b).reduce((x, y) => x + Number(y), 0);
  const ranges = new Map();
  const range = (el) => ranges.get(el) || (ranges.set(el, el.dataset.t.split(" ").map(Number)), ranges.get(el));

  // One article: which target and level are shown, and which elements show which token.
  for (const article of all(document, "article")) {
    const record = records[article.dataset.r];
    const mass = record.scores.map((row) => row.reduce((x, y) => x + Math.abs(y), 0));
    const marks = all(article, ".text .u");
    const linked = all(article, "[data-t]:not(.sum)");
    let lit = [];
    let target = Number(article.querySelector(".say:not([hidden])").dataset.c);

    const paint = (el, value, level) => {
      const largest = scales[record.units[target]][level];
      el.style.setProperty("--m", largest && Number.isFinite(value) ? Math.min(1, Math.abs(value) / largest).toFixed(3) : 0);
      el.classList.toggle("n", value < 0);
      el.classList.toggle("p", !(value < 0));
    };
    const choose = (c) => {
      target = c;
      for (const el of all(article, "div[data-c]")) el.hidden = Number(el.dataset.c) !== c;
      for (const el of marks) paint(el, sum(record.scores[c], range(el)), el.closest("[data-level]").dataset.level);
      for (const el of all(article, ".legend")) {
        const largest = String(+scales[record.units[c]][el.closest("[data-level]").dataset.level].toPrecision(3));
        const [low, high] = all(el, ".key span");
        [low.textContent, high.textContent] = ["−" + largest, "+" + largest];
        el.querySelector(".unit").textContent = units[record.units[c]];
      }
      for (const el of all(article, ".quiet .sum")) el.textContent = el.textContent.replace(/[^ ]+$/, spell(+sum(record.scores[c], range(el)).toPrecision(2)));
      for (const el of all(article, "tr[data-c]")) el.toggleAttribute("aria-current", Number(el.dataset.c) === c);
      for (const el of all(article, ".step")) el.classList.toggle("now", range(el)[0] <= first + c && first + c < range(el)[1]);
      for (const el of all(article, ".targets input")) el.checked = Number(el.value) === c;
      article.querySelector(".reading").classList.toggle("doubtful", record.stops[c] !== "CONVERGED");
    };

    // A generated token is a handle: pointing at it shows what it rests on.
    const first = record.tokens.length - (record.steps || 0);
    for (const el of record.steps ? marks : []) {
      const [a, b] = range(el);
      if (a < first) continue;
      const steps = [...Array(b - a).keys()].map((i) => a - first + i).filter((c) => article.querySelector(`.say[data-c="${c}"]`));
      if (!steps.length) continue;
      el.classList.add("step");
      el.classList.toggle("open", steps.some((c) => record.stops[c] !== "CONVERGED"));
      for (const event of ["pointerover", "focus", "click"]) el.addEventListener(event, () => choose(steps[0]));
    }
    if (record.steps) choose(target);

    const sources = (c) => {
      const strongest = [...record.scores[c].keys()].filter((i) => Number(record.scores[c][i])).sort((i, j) => Math.abs(record.scores[c][j]) - Math.abs(record.scores[c][i]));
      const rests = strongest.slice(0, 3).map((i) => `“${piece(i, i + 1)}” ${spell(Number(record.scores[c][i]))}`);
      return [`explained now: ${spell(Number(record.f_input[c]))} ${units[record.units[c]]}`, rests.length ? `rests most on ${rests.join(", ")}` : "no score differs from 0"];
    };

    const describe = (el) => {
      const [a, b] = range(el);
      const row = el.closest("tr[data-c]");
      const c = row ? Number(row.dataset.c) : target;
      const value = sum(record.scores[c], [a, b]);
      const role = record.roles[a];
      const now = first + c;
      if (record.steps && a <= now && now < b && !row) return sources(c);
      if (record.steps && a > now) return [`comes after “${piece(now, now + 1)}”, so it adds nothing to it`];
      const lines = [`${spell(value)} ${units[record.units[c]]} · ${mass[c] ? +((100 * Math.abs(value)) / mass[c]).toPrecision(2) : 0} % of the total effect`];
      if (record.spread) lines.push(`spread ±${spell(sum(record.spread[c], [a, b])).slice(1)} over the baselines or noisy inputs`);
      if (row) lines.push(`for ${record.targets[c].trim()}`);
      if (role === "held") lines.push("kept fixed, so its score is 0");
      if (role === "special") lines.push("special token: belongs to no word");
      if (b - a > 1) for (let i = a; i < Math.min(b, a + 12); i++) lines.push(`${record.tokens[i]}  ${spell(Number(record.scores[c][i]))}`);
      if (b - a > 12) lines.push(`and ${b - a - 12} more tokens`);
      return lines;
    };
    const piece = (a, b) => {
      const s = record.segments[a];
      const ends = record.offsets.slice(a, b).map((o) => o[1]);
      const text = s < 0 ? "" : Array.from(record.texts[s]).slice(record.offsets[a][0], Math.max(...ends)).join("").trim();
      return text.length > 80 ? text.slice(0, 79) + "…" : text || record.tokens[a];
    };
    const name = (el) => piece(...range(el));
    const light = (el, on) => {
      const [a, b] = range(el);
      for (const other of lit) other.classList.remove("lit");
      lit = on ? linked.filter((other) => range(other)[0] < b && a < range(other)[1]) : [];
      for (const other of lit) other.classList.add("lit");
    };
    const show = (el) => { showTip(el, name(el), describe(el), Boolean(el.closest(".heat, .bars, .step"))); light(el, true); };
    const hide = (el) => { hideTip(el); light(el, false); };
    onPoint(article, "[data-t]", show, hide);
    for (const text of all(article, ".text")) walkText(text);
    for (const el of all(article, ".bars tr[data-t]"))
      el.addEventListener("click", () => {
        const [a, b] = range(el);
        const mark = marks.find((m) => { const [c, d] = range(m); return a < d && c < b && m.closest("[data-level]").dataset.level === article.dataset.by; });
        const fold = mark && mark.closest("details");
        if (fold) fold.open = true;
        if (mark) { mark.scrollIntoView({ block: "center", behavior: "smooth" }); mark.focus({ preventScroll: true }); }
      });
    article.addEventListener("change", (event) => {
      if (event.target.name.startsWith("level")) article.dataset.by = event.target.value;
      if (event.target.name.startsWith("target")) choose(Number(event.target.value));
    });
    for (const el of all(article, "tr[data-c] button")) el.addEventListener("click", () => choose(Number(el.closest("tr").dataset.c)));
    for (const el of all(article, "tr[data-c]")) el.toggleAttribute("aria-current", Number(el.dataset.c) === target);

    copies(article.querySelector(".copy"), record);
  }
})();
