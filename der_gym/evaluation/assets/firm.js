// Capability by hour and firm kW: sections of the scoreboard's page, and a page of their own.

const TONES = ["blue", "red", "green", "purple", "orange", "black", "sky", "yellow"];
const DASHES = [undefined, [8, 4], [3, 3], [10, 3, 3, 3]];

function capability() {
  const seasons = [...new Set(DATA.capability.map((row) => row.season))];
  if (!seasons.length) return null;
  const pick = choice("season", seasons, "season");
  const rows = DATA.capability.filter((row) => row.season === state.pick.season);
  const series = rows.flatMap((row, i) => {
    const tone = color(row.class === "all" ? "black" : device(row.class) ? device(row.class).colour : TONES[i % TONES.length]), name = t(row.class);
    return [
      { key: `${row.class} p50`, label: t("p50", { name }), color: tone, values: row.p50, width: 2 },
      { key: `${row.class} p10`, label: t("p10", { name }), color: tone, values: row.p10, dash: [5, 4], width: 1.5 },
    ];
  });
  const chart = lines({ id: "capability", label: t("capability"), unit: t("kw"), x: hoursOfDay(), ...hourAxis(), series, height: 300 });
  return card("capability", t("capability"), t("capability_how"), pick, chart);
}

const hoursOfDay = () => Array.from({ length: 24 }, (_, hour) => hour);

function hourAxis() {
  return { xLabel: t("hour"), xRange: [-0.3, 23.3], xTicks: (width) => (width < 500 ? [0, 6, 12, 18] : [0, 3, 6, 9, 12, 15, 18, 21]), xFormat: (hour) => `${hour}:00` };
}

// -- firm kW ---------------------------------------------------------------------------------------------------------

function firm() {
  const passed = DATA.firm ? DATA.firm.passed : [];
  if (!passed.length) return card("firm", t("firm"), null, h("p", { class: "empty" }, t("firm_none", { scenario: DATA.head.scenario })));
  const starts = [...new Set(passed.map((row) => `${row.season} ${row.start_h}`))];
  const pick = choice("firm", starts, "firm_start");
  for (const option of pick.querySelectorAll("option")) option.textContent = startName(option.value);
  const rows = passed.filter((row) => `${row.season} ${row.start_h}` === state.pick.firm);
  const kw = [...new Set(rows.map((row) => row.award_kw))].sort((a, b) => a - b);
  const series = [...new Set(rows.map((row) => row.controller))].map((name, i) => {
    const rates = new Map(rows.filter((row) => row.controller === name).map((row) => [row.award_kw, row.pass_rate]));
    return { key: name, label: name, color: color(TONES[i % TONES.length]), dash: DASHES[i % DASHES.length], values: kw.map((x) => rates.get(x) ?? null), points: 7, width: 2 };
  });
  const levels = [...new Set(DATA.firm.awards.map((row) => row.level))];
  const room = 0.04 * (kw.at(-1) - kw[0]) || 1;
  const chart = lines({
    id: "firm", label: t("firm"), unit: t("pass_axis"), percent: true, x: kw, xLabel: t("award_axis"), xRange: [kw[0] - room, kw.at(-1) + room],
    y: [0, 1.02], series, height: 300, marks: (u) => levels.forEach((level) => levelLine(u, level)),
  });
  const n = DATA.firm.n_seed;
  return card("firm", t("firm"), t("firm_how", { n: n || "–" }), pick, chart, h("h4", {}, t("firm_table")), firmTable(levels));
}

function startName(key) {
  const [season, hour] = key.split(" ");
  return t("at_start", { season: t(season), hour: Number(hour) });
}

function levelLine(u, level) {
  const y = u.valToPos(level, "y", true);
  u.ctx.save();
  u.ctx.strokeStyle = color("soft");
  u.ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
  u.ctx.beginPath();
  u.ctx.moveTo(u.bbox.left, y);
  u.ctx.lineTo(u.bbox.left + u.bbox.width, y);
  u.ctx.stroke();
  u.ctx.restore();
}

function firmTable(levels) {
  const key = (row) => [row.controller, row.season, row.start_h].join("\n");
  const keys = [...new Set(DATA.firm.awards.map(key))];
  const rows = keys.map((each) => {
    const own = DATA.firm.awards.filter((row) => key(row) === each);
    const kept = levels.map((level) => own.find((row) => row.level === level));
    return [own[0].controller, startName(`${own[0].season} ${own[0].start_h}`), ...kept.map((row) => row ? keptText(row) : num(null))];
  });
  return table([t("controller"), t("start"), ...levels.map((level) => t("firm_level", { level: num(100 * level) }))], rows);
}

// A bound that the play did not pass is no answer.
function keptText(row) {
  if (row.answer === "above") return t("firm_above", { kw: figure(row.firm_kw) });
  if (row.answer === "none") return t("firm_kept_none");
  if (row.answer === "unknown") return t("firm_unknown", { kw: figure(row.most_played_kw) });
  const high = row.firm_high_kw === null ? `> ${figure(row.most_played_kw)}` : figure(row.firm_high_kw);
  return `${figure(row.firm_kw)} (${figure(row.firm_low_kw)} – ${high})`;
}

if (!DATA.rows) {
  window.sections = () => [
    h("section", { id: "summary" }, h("h1", {}, t("firm_title", DATA.head)), h("p", { class: "lead" }, DATA.head.title)),
    firm(), capability(),
  ].filter(Boolean);
  draw();
}
