"use strict";
// What every page can do: show numbers beside what is pointed at or focused, walk through a text, copy the record, change the theme.
const all = (root, query) => [...root.querySelectorAll(query)];
const tip = document.getElementById("tip");

const showTip = (el, head, lines, below) => {
  const title = document.createElement("b");
  title.textContent = head;
  tip.replaceChildren(title, "\n" + lines.join("\n"));
  tip.hidden = false;
  const box = el.getClientRects()[0] || el.getBoundingClientRect(), own = tip.getBoundingClientRect();
  const under = below ? box.bottom + own.height + 12 < innerHeight : box.top < own.height + 12;
  tip.style.left = Math.max(8, Math.min(innerWidth - own.width - 8, box.left + box.width / 2 - own.width / 2)) + "px";
  tip.style.top = (under ? box.bottom + 8 : box.top - own.height - 8) + "px";
  el.setAttribute("aria-describedby", "tip");
};
const hideTip = (el) => { tip.hidden = true; el.removeAttribute("aria-describedby"); };
document.addEventListener("keydown", (event) => { if (event.key === "Escape") tip.hidden = true; });

const focusOn = (from, to) => { from.tabIndex = -1; to.tabIndex = 0; to.focus(); };

// Arrow keys walk through a text, which is one stop of the Tab key.
const walkText = (text) => {
  const stops = all(text, ".u");
  stops.forEach((el, i) => { el.tabIndex = i ? -1 : 0; });
  text.addEventListener("keydown", (event) => {
    const back = getComputedStyle(text).direction === "rtl" ? "ArrowRight" : "ArrowLeft";
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    const seen = stops.filter((el) => el.getClientRects().length);
    const next = seen[seen.indexOf(document.activeElement) + (event.key === back ? -1 : 1)];
    if (!next) return;
    event.preventDefault();
    focusOn(document.activeElement, next);
  });
};

const onPoint = (root, query, show, hide) => {
  const under = (event) => event.target.closest && event.target.closest(query);
  for (const [type, act] of [["pointerover", show], ["focusin", show], ["pointerout", hide], ["focusout", hide]])
    root.addEventListener(type, (event) => { const el = under(event); if (el) act(el); });
};

const copies = (button, record) => button.addEventListener("click", async () => {
  const said = button.parentElement.querySelector(".copied");
  try { await navigator.clipboard.writeText(JSON.stringify(record, null, 1)); said.textContent = "Copied."; }
  catch { said.textContent = "The browser did not allow it."; }
});

const opens = () => { const el = document.getElementById(location.hash.slice(1)); if (el && el.tagName === "DETAILS") el.open = true; };
addEventListener("hashchange", opens);
opens();

document.querySelector(".theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
