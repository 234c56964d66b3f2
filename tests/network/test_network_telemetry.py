"""The aggregator's table: each device's last report, late, lossy and aged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from network_line import Line

from der_gym.engine.tables import FLEET
from der_gym.network.report import hash_unit

SURE = {"telemetry_loss_share": 0.0}


def watch(line: Line, until_s: float) -> list[tuple[float, np.ndarray, np.ndarray]]:
    """Return (time, seen kW, seen s) after each tick; devices show the end of the tick they are in as their kW."""
    out = []
    line.fleet[:, FLEET.SHOWN_KW] = line.now + line.tick_s
    while line.now < until_s:
        for now in line.step():
            out.append((now, line.row(FLEET.SEEN_KW).copy(), line.row(FLEET.SEEN_S).copy()))
            line.fleet[:, FLEET.SHOWN_KW] = now + line.tick_s
    return out


@pytest.mark.parametrize("path", ["P1", "P2", "P3", "P4", "P4-slow", "P5", "P6", "ideal"])
@pytest.mark.parametrize("tick_s", [1, 5, 60])
def test_ages_stay_below_period_delay_and_tick_when_nothing_is_lost(path: str, tick_s: int) -> None:
    fields = {} if path == "ideal" else {path: SURE}
    line = Line([(path, 300, 0, "x")], tick_s=tick_s, paths=fields)
    p = line.config.path(path)
    bound_s = p.telemetry_s + p.telemetry_delay_s + tick_s + 0.1
    seen = watch(line, bound_s + 1200)
    ages = np.array([now - s for now, _, s in seen if now > bound_s])
    assert len(ages) >= 10
    assert ages.max() <= bound_s and ages.min() >= p.telemetry_delay_s - 0.01
    if p.telemetry_s > 10:  # the phases are spread evenly: the average report is its way and half a period old
        assert ages.mean() == pytest.approx(p.telemetry_delay_s + 0.5 * p.telemetry_s, abs=0.15 * p.telemetry_s)


@pytest.mark.parametrize(
    "fields",
    [
        {"telemetry_s": 60, "telemetry_delay_s": 2},
        {"telemetry_s": 60, "telemetry_delay_s": 30},
        {"telemetry_s": 10, "telemetry_delay_s": 58},
        {"telemetry_s": 10, "telemetry_delay_s": 200},
        {"telemetry_s": 45, "telemetry_delay_s": 45},
        {"telemetry_s": 61, "telemetry_delay_s": 59},
        {"telemetry_s": 1, "telemetry_delay_s": 1},
    ],
)
@pytest.mark.parametrize("tick_s", [5, 60])
def test_every_device_is_heard_whatever_period_delay_and_tick(fields: dict[str, float], tick_s: int) -> None:
    line = Line([("P2", 300, 0, "x")], tick_s=tick_s, paths={"P2": {**SURE, **fields}})
    period, delay = fields["telemetry_s"], fields["telemetry_delay_s"]
    bound_s = max(period, delay) + delay + 2 * tick_s
    ages = np.array([now - s for now, _, s in watch(line, bound_s + 1200) if now > bound_s])
    assert ages.max() <= bound_s and ages.min() >= delay - 0.01


def test_a_report_shows_what_was_when_it_was_sampled() -> None:
    for path in ("P1", "P2", "P3", "P4"):
        line = Line([(path, 300, 0, "x")], tick_s=5, paths={path: SURE})
        delay = line.config.path(path).telemetry_delay_s
        for _, kw, s in watch(line, 900):
            heard = s > 0
            late = kw[heard] - s[heard]  # the sample's tick ends after the sample, by a tick at most
            assert (late >= -0.01).all() and (late <= 5 + delay + 0.01).all()


@pytest.mark.parametrize("path", ["P1", "P2", "P3", "P4"])
def test_long_ticks_see_what_short_ones_see(path: str) -> None:
    def at_minutes(tick_s: int, **fields: Any) -> np.ndarray:
        line = Line([(path, 500, 0, "x")], tick_s=tick_s, paths={path: fields})
        return np.array([s for now, _, s in watch(line, 3600) if now % 60 == 0 and now > 600])

    assert np.isclose(at_minutes(60, **SURE), at_minutes(5, **SURE), atol=0.01).mean() > 0.995
    ends = 60.0 * np.arange(11, 61)[:, None]
    lossy = [(ends - at_minutes(t)).mean() for t in (60, 5)]  # with the path's own losses
    assert lossy[0] == pytest.approx(lossy[1], rel=0.1)


def test_lost_reports_age_the_table() -> None:
    def mean_age(loss: float) -> float:
        line = Line([("P6", 500, 0, "x")], paths={"P6": {"telemetry_loss_share": loss}})
        return float(np.mean([now - s for now, _, s in watch(line, 7200) if now > 600]))

    none, some = mean_age(0.0), mean_age(0.3)
    assert some - none == pytest.approx(60 * 0.3 / 0.7, rel=0.1)  # a run of losses is geometric


def test_a_device_reports_at_its_own_phase() -> None:
    phases = np.array([hash_unit(np.uint32(u), np.uint32(7)) for u in range(2000)])
    assert np.histogram(phases, 10, (0, 1))[0] == pytest.approx(200, abs=60)
    line = Line([("P3", 500, 0, "x")], paths={"P3": SURE})
    *_, (_, _, last) = watch(line, 3600)
    assert np.histogram(last, 6, (3600 - 185, 3600 - 5))[0] == pytest.approx(500 / 6, abs=35)


def test_a_silent_link_keeps_its_stale_value() -> None:
    line = Line([("P6", 100, 0, "x")], paths={"P6": SURE})
    watch(line, 600)
    line.fleet[0, FLEET.LINK_DOWN_S, :50], line.fleet[0, FLEET.LINK_UP_S, :50] = 600.0, 1500.0
    for now, kw, s in watch(line, 1500):
        if now > 700:
            assert (s[:50] <= 600.0).all() and (kw[:50] <= 660.0).all()
            assert (now - s[50:] < 130).all()
    *_, (now, _, s) = watch(line, 1800)
    assert (now - s < 130).all()  # heard again


def test_a_home_that_is_never_reached_is_never_heard() -> None:
    line = Line([("P6", 400, 0, "x")], links=True, reach_share=0.8, link_up_days=1000)
    *_, (_, _, s) = watch(line, 3600)
    assert (s == 0.0).mean() == pytest.approx(0.2, abs=0.06)


def test_telemetry_stops_with_its_cloud_ages_and_returns() -> None:
    line = Line([("P6", 100, 0, "A"), ("P6", 100, 1, "B")], paths={"P6": SURE})
    line.cloud_out(1000.0, 3000.0)
    for now, _, s in watch(line, 4000):
        old = now - s
        if 1000 <= now < 3000:
            assert (s[:100] <= 1000.0).all()
        if now > 200:
            assert (old[100:] < 130).all()
        if 200 < now < 1000 or now > 3150:
            assert (old < 130).all()
    assert (old < 130).all()


def test_an_ideal_report_is_a_second_old_at_most() -> None:
    for tick_s in (1, 60):
        line = Line([("P3", 100, 0, "x")], tick_s=tick_s, ideal=True)
        for now, kw, s in watch(line, 600):
            assert (now - s <= 1.0).all() and (kw == now).all()
