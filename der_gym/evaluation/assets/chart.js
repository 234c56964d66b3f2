// Charts: uPlot lines with a legend of buttons, and small drawings. A chart is described, made, and made again.

const charts = []; // what stands on the page: {box, make, made}
const watcher = new ResizeObserver(() => requestAnimationFrame(resizeCharts));
const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360];

function clearCharts() {
  for (const chart of charts.splice(0)) if (chart.made) chart.made.destroy();
  watcher.disconnect();
}

function mountCharts() {
  for (const chart of charts) { mount(chart); watcher.observe(chart.box); }
}

function mount(chart) {
  if (chart.made) chart.made.destroy();
  chart.box.replaceChildren();
  chart.width = chart.box.clientWidth;
  chart.made = chart.width > 0 ? chart.make(chart.box, chart.width) : null;
}

function resizeCharts() {
  for (const chart of charts) if (chart.box.clientWidth !== chart.width) mount(chart);
}

/** Return a box that ``make(box, width)`` fills once it stands on the page; it may return {destroy}. */
function canvasBox(make, label) {
  const box = h("div", { class: "plot", role: "img", "aria-label": label });
  charts.push({ box, make: (...given) => make(...given) || { destroy: () => {} } });
  return box;
}

function drawing(width, height, nodes) {
  const svg = s("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "font-size": 12, "font-family": "inherit" });
  svg.append(...nodes);
  return svg;
}

/**
 * Return a legend and a chart.
 *
 * spec: id, label, unit, x, series [{key, label, color, values, width, dash, step, fill, fillTo, points, area, bare}],
 * bands [{from, to, fill}] by key, marks(u): drawn over, under(u): drawn below, time, y [low, high], height, sync,
 * xRange [low, high] or xFit(off) -> it: the part of x that is shown at first,
 * parts(off) -> series instead of ``series``: where what is on changes the others (a stack).
 */
function lines(spec) {
  const off = (state.off[spec.id] = state.off[spec.id] || new Set(spec.off || []));
  const legend = h("div", { class: "legend" });
  const entry = { box: h("div", { class: "plot", id: `chart-${spec.id}`, role: "img", "aria-label": spec.label }) };
  const names = new Map();
  entry.make = (box, width) => {
    const shown = (spec.parts ? spec.parts(off) : spec.series).filter((one) => !off.has(one.key));
    return new uPlot(options(spec, shown, width, names, off), [spec.x, ...shown.map((one) => one.values)], box);
  };
  charts.push(entry);
  for (const one of (spec.legend || spec.series).filter((each) => !each.bare)) legend.append(chip(one, off, names, entry));
  return h("div", {}, legend, entry.box);
}

/** Return the button that switches a series on and off and shows its value under the pointer. */
function chip(one, off, names, entry) {
  const now = h("span", { class: "now" });
  names.set(one.key, now);
  const mark = h("i", { class: one.area ? "area" : one.dash ? "dash" : "", style: one.area ? { background: one.color } : { borderColor: one.color } });
  const button = h("button", { class: "chip", "data-key": one.key, "aria-pressed": String(!off.has(one.key)) }, mark, one.label, one.quiet ? null : now);
  button.addEventListener("click", () => {
    if (off.has(one.key)) off.delete(one.key); else off.add(one.key);
    button.setAttribute("aria-pressed", String(!off.has(one.key)));
    mount(entry);
  });
  return button;
}

function options(spec, shown, width, names, off) {
  const at = Object.fromEntries(shown.map((one, i) => [one.key, i + 1]));
  const bands = (spec.bands || []).filter((band) => at[band.from] && at[band.to])
    .map((band) => ({ series: [at[band.from], at[band.to]], fill: band.fill }));
  return {
    width, height: spec.height || (width < 500 ? 220 : 270), padding: [12, 22, 0, 0],
    legend: { show: false },
    cursor: { sync: spec.sync ? { key: spec.sync } : undefined, drag: { x: true, y: false, dist: 6 }, points: { size: 6 }, y: false },
    scales: { x: { time: false, range: xRange(spec, off) }, y: { range: spec.y ? () => spec.y : padded } },
    axes: [xAxis(spec, width), yAxis(spec)],
    series: [{}, ...shown.map(series)],
    bands,
    hooks: {
      drawClear: spec.under ? [spec.under] : [],
      drawAxes: [zeroLine],
      draw: spec.marks ? [spec.marks] : [],
      setCursor: [(u) => showValues(u, spec, shown, names)],
    },
  };
}

/** Return the range of x: the one asked for while all is shown, what was dragged out otherwise. */
function xRange(spec, off) {
  const wanted = spec.xFit ? spec.xFit(off) : spec.xRange;
  const [first, last] = [spec.x[0], spec.x.at(-1)];
  return wanted ? (u, low, high) => (low <= first && high >= last ? wanted : [low, high]) : undefined;
}

function padded(u, low, high) {
  if (low === null || high === null || (low === 0 && high === 0)) return [0, 1];
  const room = Math.max((high - low) * 0.08, 1e-6 + Math.abs(high) * 0.02);
  return [low === 0 ? 0 : low - room, high + room];
}

function axis() {
  return { stroke: color("soft"), grid: { stroke: color("grid"), width: 1 }, ticks: { stroke: color("line"), width: 1, size: 4 }, font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif" };
}

function xAxis(spec, width) {
  const own = { ...axis(), label: spec.xLabel, labelSize: spec.xLabel ? 20 : 0, labelGap: 0, size: 30, space: width < 500 ? 52 : 64 };
  own.values = (u, ticks) => ticks.map((v) => num(v, stepDigits(ticks)));
  if (spec.time) Object.assign(own, { incrs: TIME_STEPS, values: (u, ticks) => ticks.map((v) => hhmm(v)) });
  if (spec.xTicks) Object.assign(own, { splits: () => spec.xTicks(width), values: (u, ticks) => ticks.map(spec.xFormat) });
  return own;
}

/** Return the decimals that tell neighbouring ticks apart: two for steps of 0.25. */
function stepDigits(ticks) {
  const step = ticks.length > 1 ? Math.abs(ticks[1] - ticks[0]) : 1;
  const exact = [0, 1, 2, 3].find((digits) => Math.abs(step - Number(step.toFixed(digits))) < 1e-3 * step);
  return exact === undefined ? 4 : exact;
}

function yAxis(spec) {
  const size = (u, values) => Math.max(34, 10 + 7 * Math.max(0, ...(values || []).map((v) => String(v).length)));
  return { ...axis(), label: spec.unit, labelSize: 18, labelGap: 2, size, values: (u, ticks) => ticks.map((v) => (spec.percent ? num(100 * v) : num(v, stepDigits(ticks)))) };
}

function series(one) {
  const paths = one.step ? uPlot.paths.stepped({ align: one.step === -1 ? -1 : 1 }) : undefined;
  return {
    label: one.key, stroke: one.color, width: one.width === undefined ? 1.75 : one.width, dash: one.dash && one.dash.map((length) => length * devicePixelRatio), fill: one.fill,
    fillTo: one.fill ? 0 : undefined, paths, points: { show: Boolean(one.points), size: one.points || 0, fill: one.color },
  };
}

function zeroLine(u) {
  const { min, max } = u.scales.y;
  if (!(min < 0 && max > 0)) return;
  const y = Math.round(u.valToPos(0, "y", true)) + 0.5;
  u.ctx.save();
  u.ctx.strokeStyle = color("soft");
  u.ctx.lineWidth = 1;
  u.ctx.beginPath();
  u.ctx.moveTo(u.bbox.left, y);
  u.ctx.lineTo(u.bbox.left + u.bbox.width, y);
  u.ctx.stroke();
  u.ctx.restore();
}

function showValues(u, spec, shown, names) {
  const i = u.cursor.idx;
  for (const node of names.values()) node.textContent = "";
  if (i === null || i === undefined || u.cursor.left < 0) return;
  for (const one of shown) {
    const value = (one.tell || one.values)[i];
    if (names.has(one.key) && value !== null && value !== undefined) {
      names.get(one.key).textContent = spec.percent ? pct(value) : figure(value);
    }
  }
}

/** Fill the time from..to of a chart, in its x, from top to bottom. */
function shadeSpan(u, from, to, fill) {
  const left = Math.max(u.valToPos(from, "x", true), u.bbox.left);
  const right = Math.min(u.valToPos(to, "x", true), u.bbox.left + u.bbox.width);
  if (right <= left) return;
  u.ctx.save();
  u.ctx.fillStyle = fill;
  u.ctx.fillRect(left, u.bbox.top, right - left, u.bbox.height);
  u.ctx.restore();
}

/** Write a short text at the top of a chart, around x. */
function topText(u, x, text, fill) {
  const left = u.valToPos(x, "x", true);
  if (left < u.bbox.left || left > u.bbox.left + u.bbox.width) return;
  u.ctx.save();
  u.ctx.fillStyle = fill;
  u.ctx.font = `600 ${12 * devicePixelRatio}px system-ui, sans-serif`;
  u.ctx.textAlign = "center";
  u.ctx.textBaseline = "top";
  u.ctx.fillText(text, left, u.bbox.top + 3 * devicePixelRatio);
  u.ctx.restore();
}
