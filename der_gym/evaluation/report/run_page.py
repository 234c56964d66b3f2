"""The page of one episode: what was asked, what the group did, what was seen of it, and why blocks failed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from der_gym.core.units import DAY_S
from der_gym.evaluation.causes import Failure, clock
from der_gym.evaluation.ledger_means import line_names
from der_gym.evaluation.play import Played
from der_gym.evaluation.report import page
from der_gym.evaluation.report.detail import Detail
from der_gym.evaluation.report.mail import counts
from der_gym.evaluation.report.page import rounded
from der_gym.evaluation.report.timeline import OPEN, way
from der_gym.evaluation.scoreboard import IDLE, Score, Scoreboard
from der_gym.evaluation.titles import title

Array = np.ndarray
MOST_LEAVES = 12  # more than that are not told apart in a chart: the smallest become one
OTHERS = "others"


def write_run(path: str | Path, board: Scoreboard, name: str, detail: Detail) -> Path:
    """Write the page of an episode.

    Parameters
    ----------
    path : str or Path
    board : Scoreboard
        One seed, the controller and idle.
    name : str
        The controller.
    detail : Detail
        Of its play.
    """
    return page.write(path, "run", f"{board.scenario.name} · {name} · {board.seeds[0]}", run_data(board, name, detail))


def run_data(board: Scoreboard, name: str, detail: Detail) -> dict[str, Any]:
    """Return all that the page draws; power in kW per minute, times in seconds or minutes from the start."""
    score, idle = board.scores[name], board.scores[IDLE]
    played, twin = score.played, idle.played
    few = fewer(detail)
    return {
        "head": head(board, name) | {"n_device": int(detail.unit.sum())},
        "market": market(played, detail),
        "power": power(played, twin),
        "leaves": leaves(played, few, board.scenario.service(next(iter(played.services))).metering == "receiving"),
        "seen": seen(played, few),
        "messages": messages(detail),
        "stored": {"classes": list(detail.class_names), "kwh": rounded(detail.stored_kwh.T)},
        "ledger": ledger(played, twin if name != IDLE else None),
        "failures": failed(played, twin, detail, score.of_first),
        "services": services(board, score, detail),
    }


def services(board: Scoreboard, score: Score, detail: Detail) -> list[dict[str, Any]]:
    """Return what the page draws of each service, where it tells of several: the verdicts, its own charts, failures."""
    twin = board.scores[IDLE].played
    return [_service(score, twin, detail.told(each), each) for each in board.told] if len(board.told) > 1 else []


def _service(score: Score, twin: Played, detail: Detail, service: str) -> dict[str, Any]:
    own, without = score.played.told(service), twin.told(service)
    return {
        "id": service,
        "award_kw": float(own.award_kw.max()),
        "accuracy": float(own.accuracy[0]),
        "passed": verdicts(own),
        "idle_passed": int((without.passed == 1).sum()),
        "market": market(own, detail),
        "power": power(own, without),
        "seen_kw": rounded(own.trace.seen_kw[0]),
        "failures": failed(own, without, detail, [f for f in score.failures if f.service == service]),
    }


def verdicts(played: Played) -> list[int | None]:
    """Return 1, 0 or None (not judged) for each period of the first service."""
    return [None if np.isnan(v) else int(v) for v in played.passed[0]]


def failed(played: Played, twin: Played, detail: Detail, failures: Sequence[Failure]) -> list[dict[str, Any]]:
    """Return what the page tells of failed blocks of the first service: cause, parts, and the way of the commands."""
    return [
        {
            "block": f.block,
            "starts": f.starts,
            "award_kw": f.award_kw,
            "worst_kw": f.worst_kw,
            "cause": f.cause,
            "text": f.text,
            "parts": [{"part": part, "kw": kw} for part, kw in f.parts.items()],
            **way(played, twin, detail, played.first.band_share, f.block),
        }
        for f in failures
    ]


def head(board: Scoreboard, name: str) -> dict[str, Any]:
    """Return the played episode, and the result in a few numbers, beside those of idle."""
    scenario, score, idle = board.scenario, board.scores[name], board.scores[IDLE]
    start = int(score.played.start_abs_s[0])
    keys = ("reward", "accuracy", "profit_yen", "messages_per_unit")
    return {
        "scenario": scenario.name,
        "title": " · ".join(filter(None, (title(scenario), told_of(board, score.played)))),
        "controller": name,
        "seed": board.seeds[0],
        "starts": clock(start),
        "start_min": start % DAY_S // 60,
        "award_kw": float(score.played.award_kw.max()),
        "values": {key: float(score.columns[key][0]) for key in keys},
        "idle": {key: float(idle.columns[key][0]) for key in keys},
        "passed": verdicts(score.played),
        "idle_passed": int((idle.played.passed == 1).sum()),
    }


def told_of(board: Scoreboard, played: Played) -> str:
    """Return the id of the service that a page tells of alone where the scenario has several, else nothing."""
    return played.told_of if len(board.told) < 2 else ""


def market(played: Played, detail: Detail) -> dict[str, Any]:
    """Return request, target, what each window allowed, and response, kW; NaN where nothing is judged.

    Where too much is never judged, what is allowed ends a little above all else that is drawn.
    """
    t, first = played.trace, played.first
    n_window = played.window_kw.shape[2]
    window_min = played.trace.plan_kw.shape[1] // n_window
    award = np.repeat(played.award_kw[0], n_window // played.award_kw.shape[1])
    band, judged = first.band_share * award, award > 0
    response = (t.plan_kw - t.metered_kw)[0].astype(np.float64)
    low, high = played.window_kw[0, 0] - band, played.window_kw[0, 1] + band
    top = 1.1 * max(float(response.max()), float(low.max()))
    high = np.where(high - low > OPEN * award, np.maximum(top, low), high)
    return {
        "window_min": window_min,
        "request": rounded(np.repeat(detail.request_kw, 5)[: len(response)]),
        "target": rounded(t.target_kw[0]),
        "response": rounded(response),
        "low": rounded(np.where(judged, low, np.nan)),
        "high": rounded(np.where(judged, high, np.nan)),
        "mean": rounded(response.reshape(-1, window_min).mean(axis=1)),
        "award": rounded(played.award_kw[0]),
    }


def power(played: Played, twin: Played) -> dict[str, Any]:
    """Return plan, power as it was and as metered, and that of the same group without commands, kW per minute."""
    t = played.trace
    return {
        "plan": rounded(t.plan_kw[0]),
        "true": rounded(t.true_kw[0]),
        "metered": rounded(t.metered_kw[0]),
        "twin": rounded(twin.trace.true_kw[0]),
    }


def fewer(detail: Detail, most: int = MOST_LEAVES) -> Detail:
    """Return a detail of at most ``most`` leaves, the smallest summed up in one; messages are those of all."""
    if len(detail.leaf_names) <= most:
        return detail
    order = np.argsort(-detail.nominal_kw, kind="stable")
    kept, rest = np.sort(order[: most - 1]), order[most - 1 :]
    weight = detail.nominal_kw[rest] / max(detail.nominal_kw[rest].sum(), 1e-9)

    def with_rest(values: Array, summed: Array) -> Array:
        return np.concatenate([values[..., kept], np.asarray(summed)[..., None]], axis=-1)

    return Detail(
        (*(detail.leaf_names[j] for j in kept), OTHERS),
        detail.class_names,
        (*(detail.leaf_class[j] for j in kept), OTHERS),
        with_rest(detail.unit, detail.unit[rest].sum()),
        with_rest(detail.nominal_kw, detail.nominal_kw[rest].sum()),
        detail.request_kw,
        with_rest(detail.leaf_kw, detail.leaf_kw[:, rest].sum(axis=1)),
        with_rest(detail.seen_kw, detail.seen_kw[:, rest].sum(axis=1)),
        with_rest(detail.age_s, detail.age_s[:, rest] @ weight),
        with_rest(detail.silent_share, detail.silent_share[:, rest] @ weight),
        detail.stored_kwh,
        detail.messages,
        detail.other_messages,
    )


def leaves(played: Played, detail: Detail, receiving: bool) -> dict[str, Any]:
    """Return each leaf's name, class, size and power, kW: [leaf][minute].

    Where the homes' meters count (``receiving``), ``homes_kw`` is what the homes draw beside their devices.
    """
    homes = played.trace.true_kw[0] - detail.leaf_kw.sum(axis=1)
    return {
        "homes_kw": rounded(homes) if receiving else None,
        "names": list(detail.leaf_names),
        "classes": list(detail.leaf_class),
        "n": [int(n) for n in detail.unit],
        "nominal_kw": rounded(detail.nominal_kw),
        "kw": rounded(detail.leaf_kw.T),
    }


def seen(played: Played, detail: Detail) -> dict[str, Any]:
    """Return the seen power of group and leaves, kW, the age of the reports, minutes, and silent devices, %."""
    share = detail.nominal_kw / max(detail.nominal_kw.sum(), 1e-9)
    return {
        "kw": rounded(played.trace.seen_kw[0]),
        "age_min": rounded(detail.age_s @ share / 60.0, 2),
        "silent_percent": rounded(100.0 * (detail.silent_share @ share), 2),
        "leaf_kw": rounded(detail.seen_kw.T),
        "leaf_age_min": rounded(detail.age_s.T / 60.0, 2),
        "leaf_silent_percent": rounded(100.0 * detail.silent_share.T, 2),
    }


def messages(detail: Detail) -> dict[str, Any]:
    """Return messages of dispatch to devices so far, per minute, and per leaf at the end; all streams at the end."""
    n_minute = len(detail.leaf_kw)
    total = {name: values.tolist() for name, values in counts(detail.messages, n_minute).items()}
    leaves = [_mail_of(detail, j, n_minute) for j in range(len(detail.leaf_names))]
    return total | {"leaves": leaves, "streams": _streams(detail, n_minute)}


def _streams(detail: Detail, n_minute: int) -> list[dict[str, Any]]:
    """Return the messages of each stream by the end; nothing where dispatch is the only one."""
    every = {"dispatch": detail.messages, **detail.other_messages} if detail.other_messages else {}
    return [
        {"stream": kind, "decided": sum(not m.replaced for m in own)}
        | {name: int(values[-1]) for name, values in counts(own, n_minute).items()}
        for kind, own in every.items()
    ]


def _mail_of(detail: Detail, leaf: int, n_minute: int) -> dict[str, Any]:
    own = [m for m in detail.messages if m.leaf == leaf]
    kept = [m for m in own if not m.replaced]
    row = {name: int(values[-1]) for name, values in counts(own, n_minute).items()}
    delay = np.concatenate([(m.reach_s - m.sent_s)[np.isfinite(m.reach_s)] for m in kept] or [np.zeros(0)])
    p50, p90 = np.quantile(delay, [0.5, 0.9]) if len(delay) else (np.nan, np.nan)
    more = {"leaf": detail.leaf_names[leaf], "commands": len(kept), "replaced": len(own) - len(kept)}
    return more | row | {"p50_s": float(p50), "p90_s": float(p90)}


def ledger(played: Played, twin: Played | None) -> list[dict[str, Any]]:
    """Return the ledger's lines in yen, income positive, the total last; beside those of idle where it is another."""
    return [
        {
            **named,
            "yen": float(played.ledger_yen[0, k]),
            "idle_yen": None if twin is None else float(twin.ledger_yen[0, k]),
        }
        for k, named in enumerate(line_names(played))
    ]
