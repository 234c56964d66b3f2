// The page of one episode.

const START_MIN = DATA.head.start_min;
const N_MINUTE = DATA.power.plan.length;
const CLOCK = Array.from({ length: N_MINUTE }, (_, k) => START_MIN + k);

/** Return a time of day of a number of seconds since the start. */
const at = (seconds, exact) => hhmm(START_MIN + seconds / 60, exact);

function sections() {
  if (SEVERAL) return [summary(), ...SERVICES.map(serviceSection), leaves(), seen(), messages(), stored(), ledger()];
  const only = SERVICES[0];
  return [summary(), market(only), power(only), leaves(), seen(), messages(), stored(), ledger(), failures(only)];
}

// -- summary ---------------------------------------------------------------------------------------------------------

function summary() {
  const head = DATA.head, other = head.controller !== "idle";
  const beside = (text) => (other ? t("idle_beside", { v: text }) : null);
  const only = SEVERAL ? null : SERVICES[0];
  return h("section", { id: "summary" },
    h("h1", {}, t("run_title", head)),
    h("p", { class: "lead" }, t(head.award_kw && only ? "lead" : "lead_no_award", { title: head.title || head.scenario, n: num(head.n_device), starts: head.starts, award: figure(head.award_kw) })),
    h("div", { class: "tiles" },
      only && only.judged ? tile(t("blocks"), blocksOf(only), beside(head.idle_passed)) : null,
      tile(t("reward"), num(head.values.reward, 2), beside(num(head.idle.reward, 2))),
      only ? tile(t("accuracy"), num(head.values.accuracy, 2), beside(num(head.idle.accuracy, 2))) : null,
      tile(t("total_yen"), inYen(head.values.profit_yen), beside(inYen(head.idle.profit_yen))),
      tile(t("per_unit"), num(head.values.messages_per_unit, 1), beside(num(head.idle.messages_per_unit, 1)))),
    only ? verdictCard(only) : servicesTable());
}

function verdictCard(v) {
  return h("div", { class: "card" }, h("h2", {}, t("verdicts")), strip(v), v.judged ? h("p", { class: "how" }, t("strip_how")) : null);
}

function strip(v) {
  const marks = v.passed.map((verdict, b) => {
    if (verdict === null) return null;
    const from = at(b * 1800);
    return verdict === 1 ? h("span", { class: "good" }, `✓ ${from}`) : h("a", { class: "bad", href: `#block-${v.own(b)}` }, `✕ ${from}`);
  });
  return v.judged ? h("div", { class: "strip" }, ...marks) : h("p", { class: "empty" }, t("none_judged"));
}

// -- charts over time ------------------------------------------------------------------------------------------------

function overTime(more) {
  return { x: CLOCK, time: true, sync: "time", unit: t("kw"), ...more };
}

function marketSeries(v) {
  const m = v.market, perMinute = v.perMinute;
  const band = [
    { key: "high", label: t("band"), color: color("band"), values: perMinute(m.high), step: true, width: 0, area: true, quiet: true },
    { key: "low", label: t("band"), color: color("band"), values: perMinute(m.low), step: true, width: 0, bare: true },
  ];
  return [
    ...(v.judged ? band : []),
    { key: "request", label: t("request"), color: color("purple"), values: m.request, step: true, dash: [6, 4], width: 1.5 },
    { key: "target", label: t("target"), color: color("green"), values: m.target, width: 2 },
    { key: "response", label: t("response"), color: color("sky"), values: m.response, width: 1 },
    { key: "mean", label: t("mean"), color: color("blue"), values: perMinute(m.mean), step: true, width: 2 },
  ];
}

const BAND = () => [{ from: "high", to: "low", fill: color("band") }];

/** Return the market's series from minute ``first`` to ``last``, whose value is that of the minute before. */
function between(v, first, last) {
  const cut = (values) => [...values.slice(first, last), values[last - 1]];
  const x = [...CLOCK.slice(first, last), START_MIN + last];
  return { x, series: marketSeries(v).map((one) => ({ ...one, values: cut(one.values) })) };
}

function shadeFailed(v, u) {
  for (const k of v.failedWindows) shadeSpan(u, START_MIN + k * v.window, START_MIN + (k + 1) * v.window, color("shade"));
}

function verdicts(v, u) {
  v.passed.forEach((verdict, b) => {
    if (verdict !== null) topText(u, START_MIN + 30 * b + 15, verdict ? "✓" : "✕", color(verdict ? "good" : "bad"));
  });
}

function market(v) {
  const awarded = 30 * (v.market.award.findLastIndex((kw) => kw > 0) + 1);
  const last = awarded || N_MINUTE; // a service without awards is shown whole
  const chart = lines(overTime({
    id: v.named("market"), label: t("market"), ...between(v, 0, last), bands: BAND(), height: 320,
    under: (u) => shadeFailed(v, u), marks: (u) => verdicts(v, u),
  }));
  return card(v.named("market"), t(v.judged ? "market" : "market_free"), t(v.judged ? "market_how" : "market_how_free", { w: v.window }), chart);
}

function power(v) {
  const p = v.power;
  const chart = lines(overTime({
    id: v.named("power"), label: t("power"), height: 300, series: [
      { key: "plan", label: t("plan"), color: color("orange"), values: p.plan, step: true, width: 2 },
      { key: "metered", label: t("metered"), color: color("blue"), values: p.metered },
      { key: "true", label: t("true"), color: color("black"), values: p.true, width: 1 },
      { key: "twin", label: t("twin"), color: color("purple"), values: p.twin, dash: [5, 4], width: 1.5 },
      ...(SEVERAL ? [{ key: "seen", label: t("seen_kw"), color: color("green"), values: v.seen_kw, dash: [2, 3], width: 1.5 }] : []),
    ],
  }));
  return card(v.named("power"), t("power"), t("power_how"), chart);
}

// -- leaves, stacked -------------------------------------------------------------------------------------------------

/** Return a colour by class, shaded among the leaves of a class: hues that colour-blind readers tell apart. */
function leafColor(i) {
  const classes = DATA.leaves.classes, own = classes[i];
  const hue = device(own) ? device(own).hue : 318;
  const rank = classes.slice(0, i).filter((name) => name === own).length, n = classes.filter((name) => name === own).length;
  const share = n > 1 ? rank / (n - 1) : 0.4;
  return state.dark ? `hsl(${hue} 62% ${38 + 40 * share}%)` : `hsl(${hue} 74% ${26 + 46 * share}%)`;
}

const STACKED = DATA.leaves.homes_kw ? [...DATA.leaves.kw, DATA.leaves.homes_kw] : DATA.leaves.kw; // the last: the homes
const leafName = (i) => t(i < DATA.leaves.names.length ? DATA.leaves.names[i] : "homes");

/** Return the areas of a stack: the leaves that are on, positive parts upwards from zero, negative ones downwards. */
function stack(off) {
  const on = STACKED.map((_, i) => i).filter((i) => !off.has(`leaf ${i}`));
  const up = new Array(N_MINUTE).fill(0), down = new Array(N_MINUTE).fill(0), parts = [];
  for (const i of on) {
    STACKED[i].forEach((v, k) => { if (v > 0) up[k] += v; else down[k] += v; });
    const base = { color: leafColor(i), fill: leafColor(i), width: 0, tell: STACKED[i] };
    parts.push({ ...base, key: `leaf ${i}`, values: [...up] }, { ...base, key: `leaf ${i} below`, values: [...down] });
  }
  parts.reverse(); // the outermost first: what is drawn later covers what lies below it
  const total = up.map((v, k) => v + down[k]);
  return off.has("sum") ? parts : [...parts, { key: "sum", color: color("ink"), values: total, width: 1.75 }];
}

function leaves() {
  const legend = STACKED.map((_, i) => ({ key: `leaf ${i}`, label: leafName(i), color: leafColor(i), area: true }));
  legend.push({ key: "sum", label: t("sum"), color: color("ink") });
  const chart = lines(overTime({ id: "leaves", label: t("leaves"), height: 320, legend, parts: stack }));
  return card("leaves", t("leaves"), t("leaves_how"), chart);
}

// -- what was seen ---------------------------------------------------------------------------------------------------

function seen() {
  const groups = SEVERAL ? SERVICES.map((v) => v.id) : ["all"];
  const names = [...groups, ...DATA.leaves.names.map((_, i) => String(i))];
  const pick = choice("seen", names, "seen_of");
  for (const option of pick.querySelectorAll("option")) if (!groups.includes(option.value)) option.textContent = leafName(Number(option.value));
  const group = groups.indexOf(state.pick.seen), i = group < 0 ? Number(state.pick.seen) : null, d = DATA.seen;
  const kw = lines(overTime({
    id: "seen", label: t("seen"), series: [
      { key: "truth", label: t("truth"), color: color("black"), values: i === null ? SERVICES[group].power.true : DATA.leaves.kw[i], width: 1.5 },
      { key: "seen", label: t("seen_kw"), color: color("orange"), values: i === null ? SERVICES[group].seen_kw : d.leaf_kw[i], width: 2 },
    ],
  }));
  const age = lines(overTime({
    id: "age", label: t("age"), unit: t("minutes"), height: 180, series: [
      { key: "age", label: t("age"), color: color("blue"), values: i === null ? d.age_min : d.leaf_age_min[i] },
    ],
  }));
  const silent = lines(overTime({
    id: "silent", label: t("silent"), unit: "%", height: 140, series: [
      { key: "silent", label: t("silent"), color: color("red"), values: i === null ? d.silent_percent : d.leaf_silent_percent[i] },
    ],
  }));
  return card("seen", t("seen"), t("seen_how"), pick, kw, age, silent);
}

// -- messages, stored energy, ledger ---------------------------------------------------------------------------------

function messages() {
  const m = DATA.messages;
  const tone = { sent: "black", arrived: "green", lost: "red", under_way: "purple" };
  const chart = lines(overTime({
    id: "messages", label: t("messages"), unit: t("number"), series: Object.keys(tone).map((key) => (
      { key, label: t(key), color: color(tone[key]), values: m[key], dash: key === "sent" ? [7, 4] : undefined })),
  }));
  const seconds = (value) => (value === null ? "–" : value < 90 ? `${num(value)} s` : `${num(value / 60, 1)} min`);
  const rows = m.leaves.map((row) => [row.leaf, num(row.commands), num(row.sent), num(row.arrived), num(row.lost), num(row.under_way), seconds(row.p50_s), seconds(row.p90_s)]);
  rows.push([t("sum"), num(m.leaves.reduce((sum, row) => sum + row.commands, 0)), ...["sent", "arrived", "lost", "under_way"].map((key) => num(m[key].at(-1))), "", ""]);
  const heads = ["leaf", "commands", "sent", "arrived", "lost", "under_way", "way_p50", "way_p90"].map((key) => t(key));
  const none = m.streams.some((row) => row.sent) && !m.sent.at(-1); // other messages alone: no empty chart
  return card("messages", t("messages"), t("messages_how"), none ? null : chart, none ? null : table(heads, rows, true), streams(m.streams));
}

/** Return the table of every kind of message; nothing where dispatch is the only one. */
function streams(every) {
  if (!every.length) return null;
  const keys = ["decided", "sent", "arrived", "lost", "under_way"];
  const rows = every.map((row) => [t(`stream_${row.stream}`), ...keys.map((key) => num(row[key]))]);
  return h("div", {}, h("h4", {}, t("streams")), table([t("stream"), ...keys.map((key) => t(key))], rows));
}

function stored() {
  const tone = ["blue", "orange", "green", "purple", "red", "sky"];
  const chart = lines(overTime({
    id: "stored", label: t("stored"), unit: t("kwh"), series: DATA.stored.classes.map((name, i) => (
      { key: name, label: t(name), color: color(device(name) ? device(name).colour : tone[i % tone.length]), values: DATA.stored.kwh[i], dash: [undefined, [8, 4], [3, 3]][i % 3], width: 2 })),
  }));
  return card("stored", t("stored"), t("stored_how"), chart);
}

function ledger() {
  return card("ledger", t("ledger"), t("ledger_how"), ledgerTable(DATA.ledger, true));
}

/** Return the table of some lines of the ledger, with bars; the last is their total where so said. */
function ledgerTable(lines_, total) {
  const beside = lines_[0].idle_yen !== null;
  const most = Math.max(1, ...lines_.flatMap((row) => [Math.abs(row.yen), Math.abs(row.idle_yen || 0)]));
  const rows = lines_.map((row) => [lineName(row, lines_), money(row.yen, most), num(row.yen), ...(beside ? [num(row.idle_yen)] : [])]);
  return table([t("line"), "", `${DATA.head.controller} (${t("yen")})`, ...(beside ? [`${t("idle")} (${t("yen")})`] : [])], rows, total);
}

function money(yen, most) {
  const share = (50 * Math.abs(yen)) / most;
  const style = { width: `${share}%`, left: yen < 0 ? `${50 - share}%` : "50%", background: color(yen < 0 ? "red" : "blue") };
  return h("div", { class: "money" }, h("div", { class: "track" }, h("b", { style })));
}
