// The page of a scoreboard.

const NAMES = DATA.order;
const NEAR = NAMES.filter((name) => !DATA.hidden.includes(name));
const CAUSE_TONES = {
  "no command": "black", "plan error": "orange", "not available": "red", control: "green", "not sent": "yellow", "held command": "brown",
  unreachable: "sky", delay: "blue", devices: "pink", rebound: "purple", answers: "teal", meter: "line", "no single cause": "soft",
};
const JUDGED = DATA.rows.some((row) => row.pass_rate !== null); // the first service judges periods
const AGAINST = DATA.rows.some((row) => row.against_base !== null); // the base was played
const sorting = { column: 1, down: true };

const tone = (name) => color(TONES[NAMES.indexOf(name) % TONES.length]);
const dash = (name) => DASHES[Math.floor(NAMES.indexOf(name) / 2) % DASHES.length];

function sections() {
  const verdicts = JUDGED ? [byHour(), bySeason(), causes()] : [];
  return [summary(), board(), services(), ledger(), intervals(), profiles(), ...verdicts, capability(), firm()].filter(Boolean);
}

function summary() {
  const head = DATA.head, best = (key) => [...DATA.rows].sort((a, b) => b[key] - a[key])[0];
  const passes = best("pass_rate"), yen = best("yen_per_registered_kw_with_lockout"), reward = best("reward");
  const [low, high] = head.award_kw.map(figure);
  const award = low === high ? low : t("range", { low, high });
  return h("section", { id: "summary" },
    h("h1", {}, t("board_title", head)),
    h("p", { class: "lead" }, t("board_lead", { ...head, n: head.n_seed, award })),
    head.interrupted ? h("p", { class: "tag" }, t("interrupted")) : null,
    h("div", { class: "tiles" },
      tile(t("best"), reward.controller, spread(reward, "reward", (v) => num(v, 2))),
      JUDGED ? tile(t("best_pass"), passes.controller, `${spread(passes, "pass_rate", (v) => num(100 * v))} %`) : null,
      tile(t("best_yen"), yen.controller, `${num(yen.yen_per_registered_kw_with_lockout, 1)} ${t("best_yen_unit")}`)));
}

/** Return a figure with its interval; a dash where there is none. */
function spread(row, key, form) {
  return row[key] === null ? "–" : `${form(row[key])} [${form(row[`${key}_low`])}, ${form(row[`${key}_high`])}]`;
}

// -- the table -------------------------------------------------------------------------------------------------------

function columns() {
  const two = (v) => num(v, 2), hundred = (v) => num(100 * v);
  const plain = (key, digits) => (row) => num(row[key], digits);
  return [
    ["controller", "controller", (row) => row.controller],
    ["col_reward", "reward", (row) => spread(row, "reward", two)],
    ["col_pass", "pass_rate", (row) => spread(row, "pass_rate", hundred)],
    ["col_accuracy", "accuracy", plain("accuracy", 2)],
    ["col_yen_kw", "yen_per_registered_kw", plain("yen_per_registered_kw", 1)],
    ["col_yen_lockout", "yen_per_registered_kw_with_lockout", plain("yen_per_registered_kw_with_lockout", 1)],
    ...(AGAINST ? [["col_against", "against_base", (row) => spread(row, "against_base", two)]] : []),
    ["col_beats", "beats_next", plain("beats_next", 2)],
    ["col_penalty", "penalty_yen", plain("penalty_yen", 0)],
    ...DATA.harm.filter(({ key }) => Object.hasOwn(DATA.rows[0], key)).map(({ key, title }) => [title[state.lang], key, plain(key, 2)]),
    ["col_messages", "messages_per_unit", plain("messages_per_unit", 1)],
    ["col_cause", "main_cause", (row) => (row.main_cause ? t(row.main_cause) : "–")],
  ];
}

function sorted() {
  const key = columns()[sorting.column][1], sign = sorting.down ? -1 : 1;
  const rank = (value) => (value === null || value === undefined ? -Infinity : value);
  const order = (a, b) => (rank(a[key]) < rank(b[key]) ? -1 : rank(a[key]) > rank(b[key]) ? 1 : 0);
  return [...DATA.rows].sort((a, b) => sign * order(a, b));
}

function sortBy(i) {
  sorting.down = sorting.column === i ? !sorting.down : i !== 0;
  sorting.column = i;
  draw();
}

function board() {
  const heads = columns().map(([word], i) => {
    const direction = sorting.column === i ? (sorting.down ? "descending" : "ascending") : null;
    return h("th", { scope: "col", "aria-sort": direction }, h("button", { id: `sort-${i}`, click: () => sortBy(i) }, t(word, { base: DATA.head.base })));
  });
  const rows = sorted().map((row) => h("tr", { "data-controller": row.controller }, ...columns().map(([, , form], i) =>
    h("td", {}, i ? null : h("i", { class: "swatch", style: { background: tone(row.controller) } }), form(row)))));
  const node = h("div", { class: "scroll", tabindex: "0" }, h("table", { id: "scores" }, h("thead", {}, h("tr", {}, ...heads)), h("tbody", {}, ...rows)));
  return card("board", t("board"), AGAINST ? `${t("board_how")} ${t("against_how")}` : t("board_how"), node);
}

/** Return the table of several services: what each measures of each controller; nothing where there is one. */
function services() {
  if (!DATA.services.length) return null;
  const rows = DATA.services.flatMap(({ id, rows: own }) => own.map((row) => [
    id, row.controller, row.pass_rate === null ? "–" : num(100 * row.pass_rate), num(row.accuracy, 2), num(row.yen), num(row.failed),
    row.main_cause ? t(row.main_cause) : "–",
  ]));
  const heads = ["service", "controller", "axis_pass", "col_accuracy", "own_yen", "n_failed", "col_cause"].map((key) => t(key));
  return card("services", t("services"), t("services_how"), table(heads, rows));
}

// -- intervals -------------------------------------------------------------------------------------------------------

function intervals() {
  const rows = DATA.rows.filter((row) => NEAR.includes(row.controller));
  const mark = (key, scale) => rows.map((row) => ({ name: row.controller, tone: tone(row.controller), value: scale * row[key], low: scale * row[`${key}_low`], high: scale * row[`${key}_high`] }));
  const left = canvasBox((box, width) => { box.append(dots([{ title: null, rows: mark("reward", 1) }], width, t("axis_reward"))); }, t("axis_reward"));
  const right = canvasBox((box, width) => { box.append(dots([{ title: null, rows: mark("pass_rate", 100) }], width, t("axis_pass"), [0, 100])); }, t("axis_pass"));
  const hidden = DATA.hidden.join(", ") || t("none");
  return card("reward", t("reward"), t("reward_how", { hidden }), h("div", { class: "pair" }, left, JUDGED ? right : null));
}

/** Return a drawing of dots with whiskers: groups [{title, rows [{name, tone, value, low, high}]}], one row each. */
function dots(groups, width, label, range) {
  const every = groups.flatMap((group) => group.rows);
  const known = every.flatMap((row) => [row.low, row.high, row.value]).filter((v) => v !== null && Number.isFinite(v));
  const [low, high] = range || [Math.min(...known), Math.max(...known)];
  const room = range ? 0 : 0.06 * (high - low || 1);
  const gutter = Math.min(150, 12 + 7.2 * Math.max(...every.map((row) => row.name.length)));
  const x = (v) => gutter + 8 + ((width - gutter - 26) * (v - low + room)) / (high - low + 2 * room || 1);
  let y = 6;
  const nodes = [];
  for (const group of groups) {
    if (group.title) { nodes.push(s("text", { x: 0, y: y + 12, fill: color("ink"), "font-weight": 600, stroke: color("card"), "stroke-width": 5, "paint-order": "stroke" }, group.title)); y += 22; }
    for (const row of group.rows) { nodes.push(...dot(row, x, y + 10, gutter)); y += 24; }
    y += 4;
  }
  return drawing(width, y + 42, [...dotAxis(x, [low - room, high + room], y, width, gutter, label), ...nodes]);
}

function dot(row, x, y, gutter) {
  const most = Math.floor((gutter - 6) / 7.2), name = row.name.length > most ? `${row.name.slice(0, most - 1)}…` : row.name;
  const nodes = [s("text", { x: gutter, y: y + 4, fill: color("soft"), "text-anchor": "end" }, name, s("title", {}, row.name))];
  const known = (v) => v !== null && Number.isFinite(v);
  if (known(row.low) && known(row.high)) nodes.push(s("line", { x1: x(row.low), x2: x(row.high), y1: y, y2: y, stroke: row.tone, "stroke-width": 3, "stroke-linecap": "round", opacity: 0.55 }));
  nodes.push(s("circle", { cx: x(row.value), cy: y, r: 5, fill: row.tone, stroke: color("card"), "stroke-width": 1.5 }));
  return nodes;
}

function dotAxis(x, [low, high], bottom, width, gutter, label) {
  const step = niceStep((high - low) / Math.max(3, Math.floor((width - gutter) / 80))), nodes = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9; k += 1) {
    const v = k * step, zero = k === 0;
    nodes.push(s("line", { x1: x(v), x2: x(v), y1: 0, y2: bottom, stroke: color(zero ? "soft" : "grid") }));
    nodes.push(s("text", { x: x(v), y: bottom + 16, fill: color("soft"), "text-anchor": "middle" }, num(v, stepDigits([0, step]))));
  }
  nodes.push(s("text", { x: (gutter + width) / 2, y: bottom + 34, fill: color("soft"), "text-anchor": "middle" }, label));
  return nodes;
}

function niceStep(rough) {
  const power = 10 ** Math.floor(Math.log10(rough || 1));
  return [1, 2, 5, 10].map((m) => m * power).find((step) => step >= rough * 0.999);
}

// -- profiles, hours, seasons ----------------------------------------------------------------------------------------

/** Return a line with its band: the line's name switches all three. */
function banded(name, of, look) {
  const base = { color: tone(name), width: 0, bare: true, step: look.step };
  return [
    { ...base, key: `${name} high`, values: of.high }, { ...base, key: `${name} low`, values: of.low },
    { ...base, key: name, label: name, values: of.value, width: 2, dash: dash(name), bare: false, points: look.points },
  ];
}

function bandedLines(spec, curves, look) {
  const parts = (off) => NAMES.filter((name) => curves[name] && !off.has(name)).flatMap((name) => banded(name, curves[name], look));
  const legend = NAMES.filter((name) => curves[name]).map((name) => ({ key: name, label: name, color: tone(name), dash: dash(name) }));
  const bands = NAMES.map((name) => ({ from: `${name} high`, to: `${name} low`, fill: faint(tone(name)) }));
  return lines({ percent: true, y: [0, 1.02], off: DATA.hidden, ...spec, parts, legend, bands });
}

const faint = (hex) => `${hex}2b`; // colours are six hex digits; these two more are its opacity

function profiles() {
  const of = Object.fromEntries(Object.entries(DATA.profiles.of).map(([name, p]) => [name, { value: p.share, low: p.low, high: p.high }]));
  const chart = bandedLines({ id: "profiles", label: t("profiles"), unit: t("share_seeds"), x: DATA.profiles.x, xLabel: t("axis_reward"), height: 320, xFit: fitProfiles }, of, { step: -1 });
  return card("profiles", t("profiles"), t("profiles_how"), chart);
}

/** Return the rewards between which the curves that are on fall from all seeds to none. */
function fitProfiles(off) {
  const { x, of } = DATA.profiles, on = NAMES.filter((name) => !off.has(name));
  if (!on.length) return [x[0], x.at(-1)];
  const falls = (name) => of[name].share.findIndex((share) => share < 1), ends = (name) => of[name].share.findLastIndex((share) => share > 0);
  const low = Math.min(...on.map((name) => x[Math.max(falls(name) - 1, 0)])), high = Math.max(...on.map((name) => x[ends(name)]));
  const room = 0.03 * (high - low || 1);
  return [low - room, high + room];
}

function byHour() {
  const hours = hoursOfDay();
  const curve = (rows, key) => hours.map((hour) => (rows.find((row) => row.key === hour) || {})[key] ?? null);
  const of = Object.fromEntries(Object.entries(DATA.by_hour).map(([name, rows]) => [name, { value: curve(rows, "rate"), low: curve(rows, "low"), high: curve(rows, "high") }]));
  const chart = bandedLines({ id: "hours", label: t("hours"), unit: t("pass_axis"), x: hours, ...hourAxis(), height: 300 }, of, { points: 6 });
  return card("hours", t("hours"), t("hours_how"), chart);
}

function bySeason() {
  const seasons = [...new Set(Object.values(DATA.by_season).flatMap((rows) => rows.map((row) => row.key)))];
  const groups = seasons.map((season) => {
    const found = NAMES.map((name) => [name, DATA.by_season[name].find((row) => row.key === season)]).filter(([, row]) => row);
    const rows = found.map(([name, row]) => ({ name, tone: tone(name), value: 100 * row.rate, low: row.low === null ? null : 100 * row.low, high: row.high === null ? null : 100 * row.high }));
    return { title: t("n_blocks", { season: t(season), n: found[0][1].n }), rows };
  });
  const box = canvasBox((node, width) => { node.append(dots(groups, width, t("pass_axis"), [0, 100])); }, t("seasons"));
  return card("seasons", t("seasons"), t("seasons_how"), box);
}

// -- ledger ----------------------------------------------------------------------------------------------------------

/** Return the table of lines by controllers, mean yen of an episode, of all starts or of one. */
function ledger() {
  const { lines: names, starts, n, yen } = DATA.ledger;
  const pick = starts.length > 2 ? choice("start", starts, "ledger_start") : null; // one start is the same as all
  for (const option of pick ? pick.querySelectorAll("option") : []) option.textContent = option.value === "all" ? t("every_start") : t("start_at", { hour: option.value });
  const own = yen[pick ? state.pick.start : starts[0]];
  const rows = names.map((row, k) => [lineName(row, names), ...NAMES.map((name) => num(own[name][k]))]);
  const how = t("board_ledger_how", { n: n[pick ? state.pick.start : starts[0]] });
  return card("ledger", t("board_ledger"), how, pick, table([t("line"), ...NAMES], rows, true));
}

// -- causes ----------------------------------------------------------------------------------------------------------

function causes() {
  const judged = (name) => DATA.by_hour[name].reduce((sum, row) => sum + row.n, 0);
  const cells = NAMES.flatMap((name) => {
    const all = judged(name), found = Object.entries(DATA.causes[name]);
    const failed = found.reduce((sum, [, n]) => sum + n, 0);
    const parts = found.map(([cause, n]) => h("span", { title: `${t(cause)}: ${n}`, style: { width: `${(100 * n) / all}%`, background: color(CAUSE_TONES[cause] || "purple") } }));
    return [h("span", {}, name), h("div", { class: "stack", title: `${t("passed")}: ${all - failed}` }, ...parts), h("span", {}, `${failed} / ${all}`)];
  });
  const used = Object.keys(CAUSE_TONES).filter((cause) => NAMES.some((name) => DATA.causes[name][cause]));
  const legend = used.map((cause) => h("span", {}, h("i", { class: "swatch", style: { background: color(CAUSE_TONES[cause]) } }), t(cause)));
  return card("causes", t("causes"), t("causes_how"), h("div", { class: "tools" }, ...legend), h("div", { class: "causes" }, ...cells));
}

draw();
