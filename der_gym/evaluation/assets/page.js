// The page's frame: data, language, light and dark, elements made from text (never from markup), and numbers.

const DATA = JSON.parse(document.getElementById("data").textContent);
const LANGUAGES = ["en", "ja"];
const state = {
  lang: (navigator.language || "en").startsWith("ja") ? 1 : 0,
  dark: matchMedia("(prefers-color-scheme: dark)").matches,
  off: {}, // chart -> names of the series that are switched off
  pick: {}, // choice -> value
};

/** Return what the page holds of a device class, null where there is none of that name. */
function device(name) {
  return DATA.devices && Object.hasOwn(DATA.devices, name) ? DATA.devices[name] : null;
}

/** Return a text in the language chosen, with {name} filled in; what has no translation is shown as it is. */
function t(key, fill) {
  const pair = Object.hasOwn(WORDS, key) ? WORDS[key] : device(key) ? device(key).title : null;
  let text = pair ? pair[state.lang] : key;
  for (const [name, value] of Object.entries(fill || {})) text = text.replaceAll(`{${name}}`, value);
  return text;
}

/** Return an element; children are elements or text. Data can only become text. */
function h(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "class") node.className = value;
    else if (key === "style") Object.assign(node.style, value);
    else if (typeof value === "function") node.addEventListener(key, value);
    else node.setAttribute(key, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/** Return an element of a drawing. */
function s(tag, props, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(props || {})) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

/** Return a number with thousands marks; a dash where there is none. */
function num(value, digits) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const rounded = Number(value.toFixed(digits || 0)) + 0;
  const shown = rounded.toLocaleString("en-US", { minimumFractionDigits: digits || 0, maximumFractionDigits: digits || 0 });
  return shown.replace("-", "\u2212");
}

/** Return a figure with decimals by its size, as der_gym/core/figures.py: 3 below 0.1, 2 below 1, 1 below 10. */
function figure(value) {
  const size = Math.abs(value);
  const text = num(value, size < 0.1 ? 3 : size < 1 ? 2 : size < 10 ? 1 : 0);
  const shown = text.includes(".") ? text.replace(/\.?0+$/, "") : text;
  return shown === "\u22120" ? "0" : shown;
}

/** Return yen with the sign before the mark. */
function inYen(value) {
  const text = num(value);
  return text.startsWith("\u2212") ? `\u2212¥${text.slice(1)}` : `¥${text}`;
}

/** Return the words of a line of the ledger; with its service where lines of several stand side by side. */
function lineName(row, rows) {
  const services = new Set(rows.map((each) => each.service).filter(Boolean));
  const name = Object.hasOwn(WORDS, `line_${row.kind}`) ? t(`line_${row.kind}`) : row.kind;
  return row.service && services.size > 1 ? `${name} · ${row.service.replaceAll("_", "-")}` : name;
}

function pct(share, digits) {
  return share === null || share === undefined ? "–" : `${num(100 * share, digits)} %`;
}

/** Return hh:mm of a number of minutes since midnight; with seconds where asked. */
function hhmm(minutes, seconds) {
  const total = Math.round((((minutes % 1440) + 1440) % 1440) * 60);
  const two = (n) => String(Math.floor(n)).padStart(2, "0");
  return `${two(total / 3600)}:${two((total / 60) % 60)}${seconds ? `:${two(total % 60)}` : ""}`;
}

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim() || name;
}

/** Return a card: heading, content, and how to read it. */
function card(id, title, how, ...content) {
  return h("section", { class: "card", id }, h("h2", {}, title), ...content, how ? h("p", { class: "how" }, how) : null);
}

function table(heads, rows, last) {
  const head = h("tr", {}, ...heads.map((text) => h("th", { scope: "col" }, text)));
  const body = rows.map((cells, i) =>
    h("tr", { class: last && i === rows.length - 1 ? "sum" : null }, ...cells.map((cell) => h("td", {}, cell))));
  return h("div", { class: "scroll", tabindex: "0" }, h("table", {}, h("thead", {}, head), h("tbody", {}, ...body)));
}

/** Return a list to choose from; the page is drawn again with the choice. */
function choice(name, values, label) {
  if (!values.includes(state.pick[name])) state.pick[name] = values[0];
  const options = values.map((value) => h("option", { value, selected: value === state.pick[name] ? "" : null }, t(value)));
  const change = (event) => { state.pick[name] = event.target.value; draw(); };
  return h("label", { class: "tools" }, t(label), h("select", { id: `pick-${name}`, change }, ...options));
}

function tile(what, value, beside) {
  return h("div", { class: "tile" }, h("div", { class: "what" }, what), h("div", { class: "value" }, value),
    beside ? h("div", { class: "beside" }, beside) : null);
}

function toggleButtons() {
  const language = h("button", { id: "language", click: () => { state.lang = 1 - state.lang; draw(); } }, state.lang ? "EN" : "日本語");
  const theme = h("button", { id: "theme", "aria-pressed": String(state.dark), click: () => { state.dark = !state.dark; draw(); } },
    t(state.dark ? "light" : "dark"));
  return [language, theme];
}

function frame(sections) {
  const links = sections.filter((node) => node.id).map((node) => h("a", { href: `#${node.id}` }, node.dataset.nav || t(`nav_${node.id}`)));
  document.getElementById("top").replaceChildren(
    h("div", { class: "bar" }, h("span", { class: "name" }, "der_gym"), h("nav", {}, ...links), ...toggleButtons()));
  document.getElementById("main").replaceChildren(...sections);
  document.getElementById("foot").replaceChildren(t("foot"));
}

/** Draw the whole page again: language, colours, choices. Where the reader stood stays. */
function draw() {
  const at = window.scrollY;
  const focused = document.activeElement && document.activeElement.id;
  document.documentElement.lang = LANGUAGES[state.lang];
  document.documentElement.classList.toggle("dark", state.dark);
  clearCharts();
  frame(sections());
  mountCharts();
  window.scrollTo(0, at);
  if (focused && document.getElementById(focused)) document.getElementById(focused).focus({ preventScroll: true });
}
