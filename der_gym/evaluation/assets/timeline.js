// The failed blocks of an episode: what happened, by what cause, and the way of the commands; then the page is drawn.

const FIGURES = ["target", "response", "plan_off", "available", "asked", "unreachable", "rebound"];

function failures(v) {
  if (!v.failures.length) return card(v.named("failures"), t("failures"), null, h("p", { class: "empty" }, t(v.judged ? "none_failed" : "none_judged")));
  return h("section", { id: v.named("failures") }, h("h2", {}, t("failures")), ...v.failures.map((f) => failure(v, f)));
}

function failure(v, f) {
  const from = at(f.block * 1800), to = at((f.block + 1) * 1800);
  const size = t(f.worst_kw > 0 ? "over" : "short", { kw: figure(Math.abs(f.worst_kw)), share: pct(Math.abs(f.worst_kw) / f.award_kw) });
  const story = t(f.allowed_kw[1] === null ? "story_open" : "story", {
    from: at(f.window_s[0]), to: at(f.window_s[1]), mean: figure(f.mean_kw), low: figure(f.allowed_kw[0]), high: figure(f.allowed_kw[1]),
  });
  return h("section", { class: "card", id: `block-${v.own(f.block)}`, "data-cause": f.cause },
    h("div", { class: "fail-head" }, h("h3", {}, t("block_title", { b: f.block, from, to })), h("span", { class: "tag" }, t(f.cause)), h("span", {}, size)),
    h("p", { class: "story" }, `${story} ${t(`why_${f.cause}`, { too: t(f.worst_kw > 0 ? "too_much" : "too_little") })}`),
    state.lang ? null : h("p", { class: "sub" }, f.text), // as the command line has it
    h("div", { class: "pair" },
      h("div", {}, h("h4", {}, t("zoom")), zoom(v, f)),
      h("div", {}, h("h4", {}, t("steps")), steps(f), h("p", { class: "how" }, t(v.window > 5 ? "steps_how_long" : "steps_how")))),
    h("h4", {}, t("parts")), parts(f), h("h4", {}, t("numbers")), figures(f), h("h4", {}, t("way")), way(f));
}

function zoom(v, f) {
  const cut = between(v, Math.max(30 * f.block - 15, 0), 30 * f.block + 30);
  const series = cut.series.map((one) => ({ ...one, quiet: true }));
  return lines(overTime({
    id: `block-${v.own(f.block)}`, x: cut.x, label: t("zoom"), sync: null, series, bands: BAND(), height: 230,
    under: (u) => shadeSpan(u, START_MIN + f.window_s[0] / 60, START_MIN + f.window_s[1] / 60, color("shade")),
  }));
}

// The parts of the worst window's error, largest first; what rounds to nothing is left out.
function parts(f) {
  const signed = (kw) => `${kw > 0 ? "+" : ""}${figure(kw)} kW`;
  const told = f.parts.filter((one) => Math.abs(one.kw) >= 0.01 * Math.abs(f.worst_kw)).sort((a, b) => Math.abs(b.kw) - Math.abs(a.kw));
  return h("div", { class: "facts", "data-parts": f.block }, ...told.map((one) => h("div", {}, h("b", {}, signed(one.kw)), h("span", {}, t(one.part)))));
}

function figures(f) {
  const fact = (key) => h("div", {}, h("b", {}, `${figure(f.figures[key])} kW`), h("span", {}, t(`fig_${key}`)));
  return h("div", { class: "facts" }, ...FIGURES.map(fact));
}

function steps(f) {
  const items = f.chain.map((one) => h("li", { class: ["window_starts", "window_ends", "judged"].includes(one.step) ? "mark" : null, "data-step": one.step },
    h("time", {}, one.at_s === null ? t("never") : at(one.at_s, true)), h("span", {}, t(`step_${one.step}`))));
  return h("ol", { class: "steps" }, ...items);
}

// -- the way of the commands -----------------------------------------------------------------------------------------

const ROW = 36, EDGE = 8;

function way(f) {
  if (!f.leaves.length) return h("p", { class: "empty" }, t("no_messages"));
  return h("div", {}, canvasBox((box, width) => { box.append(wayDrawing(f, width)); }, t("way")),
    h("p", { class: "how" }, t("way_how")), h("details", {}, h("summary", {}, t("way_table")), wayTable(f)));
}

function wayDrawing(f, width) {
  const from = Math.max(f.block * 1800 - 900, 0), to = (f.block + 1) * 1800;
  const x = (seconds) => EDGE + ((width - 2 * EDGE) * (seconds - from)) / (to - from);
  const bottom = f.leaves.length * ROW + 6;
  const nodes = [s("rect", { x: x(f.window_s[0]), y: 0, width: x(f.window_s[1]) - x(f.window_s[0]), height: bottom, fill: color("shade") })];
  nodes.push(...timeAxis(x, from, to, bottom, width));
  f.leaves.forEach((one, row) => nodes.push(...leafRow(f, one, row * ROW, { x, from, to })));
  return drawing(width, bottom + 26, nodes);
}

function timeAxis(x, from, to, bottom, width) {
  const step = width < 500 ? 900 : 300, nodes = [];
  for (let at_s = Math.ceil(from / step) * step; at_s <= to; at_s += step) {
    const anchor = at_s === from ? "start" : at_s === to ? "end" : "middle";
    nodes.push(s("line", { x1: x(at_s), x2: x(at_s), y1: 0, y2: bottom, stroke: color("grid") }));
    nodes.push(s("text", { x: x(at_s), y: bottom + 16, fill: color("soft"), "text-anchor": anchor }, at(at_s)));
  }
  return nodes;
}

function leafRow(f, one, top, scale) {
  const name = t(DATA.messages.leaves[one.leaf].leaf), y = top + 25;
  const asked = one.sent < scale.from ? `${at(one.sent)} → ${pct(one.a)}` : pct(one.a, Math.abs(one.a) < 0.095 ? 1 : 0);
  const nodes = [
    s("line", { x1: EDGE, x2: scale.x(scale.to), y1: top + ROW, y2: top + ROW, stroke: color("line") }),
    s("text", { x: EDGE, y: top + 13, fill: color("ink") }, `${name} · ${asked}`),
  ];
  const others = f.messages.filter((m) => m.leaf === one.leaf && m.sent !== one.sent);
  for (const m of others) nodes.push(...mark(m, y, color("soft"), 0.45, scale));
  return [...nodes, ...mark(one, y, color("blue"), 1, scale)];
}

/** Return one command's marks: sent, cloud, 10 to 90 % reached, half reached. */
function mark(m, y, tone, opacity, { x, from, to }) {
  const inside = (seconds) => seconds !== null && seconds >= from && seconds <= to;
  const cut = (seconds) => x(Math.min(Math.max(seconds, from), to));
  const look = { stroke: tone, fill: tone, opacity };
  const nodes = [];
  const first = m.reach_10 === null ? m.cloud : m.reach_10;
  if (first > from && m.sent < to) nodes.push(s("line", { ...look, x1: cut(m.sent), x2: cut(first), y1: y, y2: y, "stroke-width": 1 }));
  if (m.reach_10 !== null && m.reach_10 < to && (m.reach_90 === null || m.reach_90 > from)) {
    const end = m.reach_90 !== null ? m.reach_90 : Math.max(m.reach_50 || 0, m.reach_10);
    const left = cut(m.reach_10);
    nodes.push(s("rect", { ...look, opacity: 0.5 * opacity, stroke: "none", x: left, y: y - 4, width: Math.max(cut(end) - left, 2), height: 8, rx: 2 }));
    if (m.reach_90 === null && end > from) nodes.push(s("text", { x: cut(end) + 7, y: y + 4, fill: color("bad"), opacity, "font-size": 11, "text-anchor": "middle" }, "✕"));
  } else if (m.reach_10 === null && inside(m.cloud)) nodes.push(s("text", { x: x(m.cloud) + 7, y: y + 4, fill: color("bad"), opacity, "font-size": 11, "text-anchor": "middle" }, "✕"));
  if (inside(m.cloud)) nodes.push(s("line", { ...look, x1: x(m.cloud), x2: x(m.cloud), y1: y - 6, y2: y + 6, "stroke-width": 1.5 }));
  if (inside(m.reach_50)) nodes.push(s("circle", { ...look, cx: x(m.reach_50), cy: y, r: 3 }));
  if (inside(m.sent)) nodes.push(s("circle", { ...look, cx: x(m.sent), cy: y, r: 3.5, fill: color("card"), "stroke-width": 1.5 }));
  return nodes;
}

function wayTable(f) {
  const time = (seconds) => (seconds === null ? "✕" : at(seconds, true));
  const rows = f.leaves.map((one) => [
    t(DATA.messages.leaves[one.leaf].leaf), num(one.n), pct(one.a, 1), time(one.sent), time(one.cloud),
    `${time(one.reach_10)} / ${time(one.reach_50)} / ${time(one.reach_90)}`, time(one.acts_50), pct(one.lost_share),
  ]);
  return table(["leaf", "devices", "asked_share", "col_sent", "col_cloud", "col_reach", "col_acts", "lost"].map((key) => t(key)), rows);
}

draw();
