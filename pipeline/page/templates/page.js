"use strict";
document.documentElement.classList.add("scripted");
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const one = (selector, root = document) => root.querySelector(selector);

// Charts: drawn when they come into view, and the others one by one while the page is idle, so that printing has all of them.
const drawings = JSON.parse(one("#charts").textContent);
const views = new Map(); // the element of a chart -> its view
const rowsOf = (data) => {
  const names = Object.keys(data);
  return names.length ? data[names[0]].map((_, i) => Object.fromEntries(names.map((name) => [name, data[name][i]]))) : [];
};
const config = {
  background: null, view: { stroke: null }, font: "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif",
  axis: { labelColor: "currentColor", titleColor: "currentColor", tickColor: "var(--muted)", domainColor: "var(--muted)",
    gridColor: "var(--line)", gridOpacity: 0.7, labelFontSize: 11.5, titleFontSize: 12, titleFontWeight: "normal", labelOverlap: true },
  legend: { labelColor: "currentColor", titleColor: "currentColor" },
  title: { color: "currentColor", fontSize: 13, fontWeight: 600, anchor: "start" },
  mark: { color: "currentColor" }, rule: { color: "currentColor" },
};
const ERRORS = 1; // the level of Vega's messages: it also warns of charts that show nothing of a round
const dark = matchMedia("(prefers-color-scheme: dark)");
async function draw(element) {
  if (views.has(element)) return views.get(element);
  views.set(element, null);
  const { spec, data } = drawings[Number(element.dataset.chart)];
  const chosen = chosenFor(element);
  const params = (spec.params ?? []).map((param) => ({ ...param, value: chosen[param.name] ?? param.value }));
  const embedded = await vegaEmbed(element, { ...spec, params, datasets: { ...spec.datasets, rows: rowsOf(data) } }, {
    actions: false, logLevel: ERRORS, renderer: "svg", mode: "vega-lite", config, tooltip: { theme: dark.matches ? "dark" : "light" },
  });
  views.set(element, embedded.view);
  element.style.minHeight = "";
  move(element);
  return embedded.view;
}
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    seen.unobserve(entry.target);
    draw(entry.target);
  }
}, { rootMargin: "200px" });
const idle = window.requestIdleCallback ?? ((work) => setTimeout(work, 30));
function drawRest() {
  const waiting = all(".chart").find((element) => !views.has(element));
  if (waiting) idle(() => draw(waiting).finally(drawRest), { timeout: 500 });
  else document.documentElement.dataset.drawn = "all";
}

// The slider of an experiment sets the parameter `round` of all charts in its tab, and the choice beside it `seed`.
const roundOf = (slider) => JSON.parse(slider.parentElement.dataset.rounds)[Number(slider.value)];
function chosenFor(element) {
  const panel = element.closest("[role=tabpanel]");
  const slider = one(".slide input", panel);
  return { round: slider ? roundOf(slider) : undefined, seed: one(".slide select", panel)?.value };
}
function move(element) {
  const view = views.get(element);
  if (!view) return;
  const signals = view.getState().signals;
  const moved = Object.entries(chosenFor(element)).filter(([name, value]) => name in signals && value !== undefined);
  for (const [name, value] of moved) view.signal(name, value);
  if (moved.length) view.runAsync();
}
const moveAll = (control) => all(".chart", control.closest("[role=tabpanel]")).forEach(move);
function slide(slider) {
  const round = roundOf(slider);
  for (const stop of all(".stop", slider.closest("[role=tabpanel]"))) {
    stop.hidden = Number(stop.dataset.round) !== round;
    if (!stop.hidden) {
      one("output", slider.parentElement).textContent = stop.dataset.said;
      slider.setAttribute("aria-valuetext", stop.dataset.said);
    }
  }
  moveAll(slider);
}
for (const slider of all(".slide input")) {
  let waiting = false;
  slider.addEventListener("input", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; slide(slider); });
  });
  slide(slider);
}
for (const choice of all(".slide select")) choice.addEventListener("change", () => moveAll(choice));

// Tabs, as the ARIA pattern has them: arrows, Home and End move between them; a link to a place opens its tab.
const tabs = all("[role=tab]");
function select(tab, focus) {
  for (const each of tabs) {
    each.setAttribute("aria-selected", each === tab);
    each.tabIndex = each === tab ? 0 : -1;
    document.getElementById(each.getAttribute("aria-controls")).classList.toggle("on", each === tab);
  }
  if (focus) tab.focus();
  tab.scrollIntoView({ block: "nearest", inline: "nearest" });
}
for (const tab of tabs) {
  tab.addEventListener("click", () => { history.replaceState(null, "", "#" + tab.getAttribute("aria-controls")); select(tab, false); });
  tab.addEventListener("keydown", (event) => {
    const i = tabs.indexOf(tab);
    const next = { ArrowRight: (i + 1) % tabs.length, ArrowLeft: (i - 1 + tabs.length) % tabs.length, Home: 0, End: tabs.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    select(tabs[next], true);
  });
}
function follow() {
  const place = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const panel = place?.closest("[role=tabpanel]");
  if (!panel) return;
  select(tabs.find((tab) => tab.getAttribute("aria-controls") === panel.id), false);
  place.scrollIntoView();
}
addEventListener("hashchange", follow);
follow();

// On a narrow screen, each row of these tables is a card, whose cells tell what they are.
for (const table of all("table.cards")) {
  const heads = [...table.tHead.rows[0].cells].map((head) => head.textContent.trim());
  for (const row of table.tBodies[0].rows) [...row.cells].forEach((each, i) => { each.dataset.label = heads[i]; });
}

// The table of rounds.
const table = one("#table");
const body = one("tbody", table);
const cell = (row, i) => row.cells[i].dataset.value ?? row.cells[i].textContent.trim();
all("thead button", table).forEach((button) => {
  button.addEventListener("click", () => {
    const head = button.closest("th");
    const i = head.cellIndex;
    const up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of all("th[aria-sort]", table)) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const rows = [...body.rows].map((row) => [cell(row, i), row]);
    const numbers = rows.every(([value]) => value !== "" && !Number.isNaN(Number(value)));
    rows.sort(([a], [b]) => (up ? 1 : -1) * (numbers ? Number(a) - Number(b) : a.localeCompare(b)));
    body.append(...rows.map(([, row]) => row));
  });
});
function filter() {
  const words = one("#filter-text").value.toLowerCase().split(/\s+/).filter(Boolean);
  const [experiment, arm] = ["experiment", "arm"].map((name) => one(`#filter-${name}`)?.value);
  let shown = 0;
  for (const row of body.rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = (experiment && row.dataset.experiment !== experiment) || (arm && row.dataset.arm !== arm) || !words.every((word) => text.includes(word));
    shown += !row.hidden;
  }
  one("#filter-count").textContent = `${shown} of ${body.rows.length} rows`;
  one("#none").hidden = shown > 0;
}
one(".filters").addEventListener("input", filter);
one(".filters").addEventListener("submit", (event) => event.preventDefault());
filter();

// Commands.
addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button) return;
  let copied = true;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
  } catch {
    getSelection().selectAllChildren(button.previousElementSibling);
    copied = document.execCommand("copy");
  }
  const told = one("#copied");
  told.textContent = copied ? "Copied." : "Press Ctrl+C to copy the marked command.";
  setTimeout(() => { told.textContent = ""; }, 2500);
});
addEventListener("beforeprint", () => { for (const part of all("details")) part.open = true; });

for (const element of all(".chart")) seen.observe(element);
requestAnimationFrame(() => requestAnimationFrame(() => {
  document.documentElement.dataset.ready = Math.round(performance.now());
  setTimeout(drawRest, 300);
}));
