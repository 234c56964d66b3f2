// What an episode's page tells of each service: alone, or several side by side.

const FIRST = {
  id: "", award_kw: DATA.head.award_kw, accuracy: DATA.head.values.accuracy, passed: DATA.head.passed, idle_passed: DATA.head.idle_passed,
  market: DATA.market, power: DATA.power, seen_kw: DATA.seen.kw, failures: DATA.failures,
};
const SEVERAL = DATA.services.length > 1;
const SERVICES = (SEVERAL ? DATA.services : [FIRST]).map(view);

/** Return a service with what follows from its numbers: names of its own elements, and the windows that failed. */
function view(one) {
  const m = one.market, window = m.window_min;
  const out = (mean, k) => m.low[k] !== null && (mean < m.low[k] - 0.05 || mean > m.high[k] + 0.05);
  return {
    ...one, window,
    own: (what) => (one.id ? `${one.id}-${what}` : `${what}`),
    named: (what) => (one.id ? `${what}-${one.id}` : what),
    judged: one.passed.some((verdict) => verdict !== null), // else the service judges no blocks
    perMinute: (values) => values.flatMap((value) => Array(window).fill(value)),
    failedWindows: m.mean.map((mean, k) => (out(mean, k) ? k : null)).filter((k) => k !== null),
  };
}

function blocksOf(v) {
  const judged = v.passed.filter((verdict) => verdict !== null);
  return t("blocks_of", { a: judged.filter((verdict) => verdict === 1).length, b: judged.length });
}

const linesOf = (v) => DATA.ledger.filter((row) => row.service.replaceAll("_", "-") === v.id);

/** Return the table of all services: award, blocks, accuracy, yen of their own lines. */
function servicesTable() {
  const yen = (v) => linesOf(v).reduce((sum, row) => sum + row.yen, 0);
  const rows = SERVICES.map((v) => [
    h("a", { href: `#service-${v.id}` }, v.id), v.award_kw ? figure(v.award_kw) : "–", v.judged ? blocksOf(v) : "–", num(v.accuracy, 2), inYen(yen(v)),
  ]);
  return card("services", t("services"), t("services_how"), table(["service", "award_column", "blocks", "accuracy", "own_yen"].map((key) => t(key)), rows));
}

/** Return all that is told of one service of several. */
function serviceSection(v) {
  const own = linesOf(v);
  return h("section", { id: `service-${v.id}`, "data-nav": v.id }, h("h1", {}, v.id), verdictCard(v), market(v), power(v),
    own.length ? card(v.named("ledger"), t("own_ledger"), null, ledgerTable(own, false)) : null, failures(v));
}
