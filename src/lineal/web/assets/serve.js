"use strict";
(() => {
  const $ = (one) => document.querySelector(one);
  const form = $(".ask");
  const said = $(".said");
  // The inputs stand behind the # of an address, which no browser sends.
  const inputs = () => [...new FormData(form)].filter(([, value]) => typeof value === "string" && value);
  const restore = () => {
    if (!form || !location.hash.startsWith("#ask=")) return;
    let given;
    try { given = JSON.parse(decodeURIComponent(location.hash.slice(5))); } catch { return; }
    if (!Array.isArray(given)) return;
    const of = (name) => (given.find((one) => one[0] === name) || [])[1] || "";
    const here = new FormData(form);
    if (of("model") !== here.get("model") || of("question") !== here.get("question")) {
      if (sessionStorage.getItem("sought") === location.hash) return;
      sessionStorage.setItem("sought", location.hash);
      location.assign("/?" + new URLSearchParams({ model: of("model"), question: of("question") }) + location.hash);
      return;
    }
    sessionStorage.removeItem("sought");
    for (const one of form.elements) {
      if (!one.name || one.type === "hidden" || one.type === "file") continue;
      const values = given.filter((pair) => pair[0] === one.name).map((pair) => String(pair[1]));
      if (one.type === "checkbox") one.checked = values.includes(one.value);
      else one.value = values[0] ?? "";
    }
    said.textContent = "The inputs of the link.";
    describe();
  };
  const describe = () => {
    for (const one of document.querySelectorAll("select[aria-describedby]")) {
      const note = document.getElementById(one.getAttribute("aria-describedby"));
      const asks = one.selectedOptions[0] && one.selectedOptions[0].dataset.asks;
      note.textContent = note.dataset.usual + (asks ? " " + asks : "");
    }
  };
  if (form) {
    form.addEventListener("change", describe);
    form.addEventListener("submit", () => sessionStorage.setItem("asked", "1"));
    describe();
    const link = form.querySelector(".link");
    link.hidden = false;
    link.addEventListener("click", () => {
      history.replaceState(null, "", "#ask=" + encodeURIComponent(JSON.stringify(inputs())));
      said.textContent = "It is in the address bar now.";
    });
    for (const one of form.querySelectorAll("[data-into]")) {
      one.closest("label").hidden = false;
      one.addEventListener("change", async () => {
        const file = one.files[0];
        if (!file) return;
        if (file.size > 200000) { said.textContent = "The file is larger than 200 kB; give a smaller one."; return; }
        document.getElementById(one.dataset.into).value = await file.text();
        said.textContent = "The lines of the file are in the field.";
      });
    }
    restore();
    addEventListener("hashchange", restore);
  }
  const model = $("select#model");
  if (model) model.addEventListener("change", () => model.form.requestSubmit());
  const result = $(".result");
  if (!result) return;
  if (result.dataset.ended === "1") {
    if (sessionStorage.getItem("asked")) $("#answer").focus();
    sessionStorage.removeItem("asked");
    return;
  }
  const state = result.querySelector(".state");
  const line = result.querySelector("polyline");
  const told = new EventSource(`/job/${result.dataset.job}/events`);
  told.onmessage = (event) => {
    const now = JSON.parse(event.data);
    const known = now.curve.filter((one) => one[1] > 0);
    if (known.length) {
      const logs = known.map((one) => Math.log(one[1] / now.tolerance));
      const top = Math.max(1, ...logs), most = known[known.length - 1][0] || 1;
      line.setAttribute("points", known.map((one, i) => `${600 * one[0] / most},${96 * (1 - Math.max(logs[i], -1) / top)}`).join(" "));
    }
    const error = known.length ? `, error ${(100 * known[known.length - 1][1]).toPrecision(2)} % of all scores; wanted: ${100 * now.tolerance} %` : "";
    state.textContent = now.position ? `${now.position} in the queue.` : `${now.evaluations} gradients so far${error}.`;
    if (now.state === "done" || now.state === "failed") { told.close(); location.reload(); }
  };
})();
