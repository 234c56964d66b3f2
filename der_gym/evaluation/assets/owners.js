// Supply curves, and pay against contribution: two pages of their own.

const TONES = ["blue", "red", "green", "purple", "orange", "black", "sky", "yellow"];
const DASHES = [undefined, [8, 4], [3, 3], [10, 3, 3, 3]];

// -- supply ----------------------------------------------------------------------------------------------------------

function priceChart(id, label, unit, series, more) {
  const room = 0.03 * (DATA.prices.at(-1) - DATA.prices[0]) || 1;
  return lines({ id, label, unit, x: DATA.prices, xLabel: t("price_axis"), xRange: [DATA.prices[0] - room, DATA.prices.at(-1) + room], series, height: 300, ...more });
}

function ofHour(key) {
  const own = DATA.curves.filter((row) => String(row.hour) === state.pick.hour);
  return own.map((row, i) => ({
    key: row.class, label: t(row.class), color: color(device(row.class) ? device(row.class).colour : TONES[i % TONES.length]), dash: DASHES[i % DASHES.length], values: row[key], points: 6, width: 2,
  }));
}

function supplySection() {
  const hours = [...new Set(DATA.curves.map((row) => String(row.hour)))];
  const pick = choice("hour", hours, "hour");
  for (const option of pick.querySelectorAll("option")) option.textContent = t("event_at", { hour: option.value });
  return card("supply", t("supply"), t("supply_how"), pick, priceChart("supply", t("supply"), t("kw"), ofHour("kw")));
}

function hoursSection() {
  const hours = [...new Set(DATA.curves.map((row) => row.hour))];
  const series = hours.map((hour, i) => {
    const own = DATA.curves.filter((row) => row.hour === hour);
    const kw = DATA.prices.map((_, p) => own.reduce((sum, row) => sum + row.kw[p], 0));
    return { key: String(hour), label: t("event_at", { hour }), color: color(TONES[i % TONES.length]), dash: DASHES[Math.floor(i / TONES.length) % DASHES.length], values: kw, points: 6, width: 2 };
  });
  return card("hours", t("all_hours"), t("hours_how"), priceChart("hours", t("all_hours"), t("kw"), series));
}

function optedSection() {
  return card("opted", t("opted"), t("opted_how"), priceChart("opted", t("opted"), "%", ofHour("opted_in"), { percent: true, y: [0, 1.02] }));
}

// -- fairness --------------------------------------------------------------------------------------------------------

function ruleStyle(rule) {
  const i = DATA.rules.indexOf(rule);
  return { color: color(TONES[i]), dash: DASHES[i] };
}

function decilesSection(order) {
  const deciles = [...new Set(order.groups.map((row) => row.decile))].sort((a, b) => a - b);
  const share = (decile, key) => order.groups.filter((row) => row.decile === decile).reduce((sum, row) => sum + row[key], 0);
  const series = DATA.rules.map((rule) => ({
    key: rule, label: t(rule), ...ruleStyle(rule), points: 7, width: 2,
    values: deciles.map((decile) => (share(decile, "contribution") > 1e-9 ? share(decile, rule) / share(decile, "contribution") : null)),
  }));
  const most = Math.max(1.5, ...series.flatMap((one) => one.values.filter((v) => v !== null)));
  const chart = lines({ id: "deciles", label: t("deciles"), unit: t("ratio_axis"), x: deciles, xLabel: t("decile_axis"), xRange: [0.5, 10.5], xTicks: () => deciles, xFormat: (decile) => num(decile), y: [0, most * 1.08], series, height: 300 });
  return card("deciles", t("deciles"), t("deciles_how"), chart);
}

function bar(x, y, width, height, tone) {
  return s("rect", { x, y, width, height, fill: tone, rx: 2 });
}

/** Return bars of the slow and the fast half for the contribution and each rule; a line stands at the mean of all. */
function halvesSection(order) {
  const names = ["contribution", ...DATA.rules], most = 1.15 * Math.max(1, ...names.flatMap((name) => order.halves[name]));
  const make = (box, width) => {
    const left = 150, right = 46, row = 46, height = names.length * row + 14, scale = (width - left - right) / most, nodes = [];
    names.forEach((name, i) => order.halves[name].forEach((value, half) => {
      const y = 8 + i * row + half * 17, tone = color(half ? "blue" : "orange");
      nodes.push(bar(left, y, Math.max(value * scale, 1), 14, tone), s("text", { x: left + value * scale + 5, y: y + 11, fill: color("ink") }, num(value, 2)));
      if (!half) nodes.push(s("text", { x: left - 8, y: y + 20, "text-anchor": "end", fill: color("ink") }, t(name)));
    }));
    nodes.push(s("line", { x1: left + scale, x2: left + scale, y1: 0, y2: height, stroke: color("soft"), "stroke-dasharray": "3 3" }));
    box.append(drawing(width, height, nodes));
  };
  const key = h("div", { class: "legend" }, ...["slow", "fast"].map((name, half) => h("span", { class: "chip" }, h("i", { class: "area", style: { background: color(half ? "blue" : "orange") } }), t(name))));
  return card("halves", t("halves"), t("halves_how"), key, canvasBox(make, t("halves")), h("p", {}, mended(order)));
}

/** Return the sentence that says what the fast half gets, and the rule that comes nearest to what it contributes. */
function mended(order) {
  const [fair, away] = [order.halves.contribution[1], (rule) => Math.abs(order.halves[rule][1] - order.halves.contribution[1])];
  const best = DATA.rules.filter((rule) => rule !== "marginal").sort((a, b) => away(a) - away(b))[0];
  return t("mends", { order: t(order.order), contribution: num(fair, 2), response: num(order.halves.response[1], 2), rule: t(best), paid: num(order.halves[best][1], 2) });
}

function evenSection(order) {
  const rows = DATA.rules.map((rule) => [t(rule), num(order.even[rule].gini, 2), num(order.even[rule].jain, 2)]);
  return card("even", t("even"), t("even_how"), table([t("by"), t("gini"), t("jain")], rows));
}

function fairnessSections() {
  const pick = choice("order", DATA.orders.map((each) => each.order), "order");
  const order = DATA.orders.find((each) => each.order === state.pick.order);
  return [summary("fairness", pick), decilesSection(order), halvesSection(order), evenSection(order)];
}

function summary(kind, ...more) {
  return h("section", { id: "summary" }, h("h1", {}, t(`${kind}_title`, DATA.head)), h("p", { class: "lead" }, t(`${kind}_lead`, DATA.head)), ...more);
}

window.sections = () => (DATA.curves ? [summary("supply"), supplySection(), hoursSection(), optedSection()] : fairnessSections());
draw();
