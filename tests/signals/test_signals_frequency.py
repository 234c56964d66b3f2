"""The grid's frequency: its statistics, its luck, and files."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plain import plain
from worlds import copied, generators, message, same, scenario

from der_gym.core.errors import InputError
from der_gym.core.units import DAY_S
from der_gym.engine.tables import EXOGENOUS
from der_gym.scenario.load import load
from der_gym.signals import frequency
from der_gym.signals.frequency import Frequency, FrequencyConfig, load_frequency
from der_gym.simulation.simulator import Simulator

Array = np.ndarray
START_S = 9000 * DAY_S


class Grid:
    """``n`` worlds of frequency alone."""

    def __init__(self, n: int = 1, source: str = "synthetic", start_s: int = START_S, **settings: Any) -> None:
        self.model = Frequency(source, FrequencyConfig(**settings), n)
        self.keys = np.random.default_rng(8).integers(2**32, size=(n, 4), dtype=np.uint32)
        self.active, self.ctx = np.ones(n, dtype=bool), np.zeros((n, EXOGENOUS.N), dtype=np.float32)
        self.abs_s = np.full(n, start_s, dtype=np.int64)
        self.model.begin(self.active, self.keys, self.abs_s)

    def means(self, n_tick: int, dt_s: int = 1) -> Array:
        """Return the means of the next ticks, float64 (n_tick, n)."""
        (call,) = self.model.advance(self.active, self.keys, self.abs_s, dt_s, self.ctx)
        out = []
        for _ in range(n_tick):
            call(0, len(self.abs_s))
            self.abs_s += dt_s
            out.append(self.ctx[:, EXOGENOUS.FREQ_HZ].astype(np.float64))
        return np.array(out)


@pytest.fixture(scope="module")
def hours() -> Iterator[Array]:
    yield Grid(40, contingency_per_year=0.0).means(4 * 3600)


def test_it_varies_as_measured(hours: Array) -> None:
    assert hours.std() == pytest.approx(0.02, rel=0.06) and abs(hours.mean()) < 0.002
    assert hours[0].std() == pytest.approx(0.02, rel=0.3)  # at the first second already
    x = hours - hours.mean()
    for lag, share in ((5, 0.96), (10, 0.91), (60, 0.77), (300, 0.56), (600, 0.37)):
        found = (x[:-lag] * x[lag:]).mean() / x.var()
        assert found == pytest.approx(share, abs=0.06), lag


def test_a_tick_reads_the_mean_of_its_seconds(hours: Array) -> None:
    for dt in (5, 60):
        coarse = Grid(40, contingency_per_year=0.0).means(3600 // dt, dt)
        np.testing.assert_allclose(coarse, hours[:3600].reshape(-1, dt, 40).mean(axis=1), atol=1e-6)


def test_contingencies_drop_and_die_away() -> None:
    grid = Grid(50, sd_hz=0.0, contingency_per_year=20_000.0)  # more than two an hour
    hz = grid.means(3 * 3600)
    falls = np.diff(hz, axis=0, prepend=0.0)
    hits = falls < -0.05
    expected = 50 * 3 * 20_000 / 8766
    assert hits.sum() == pytest.approx(expected, rel=0.25)
    lost = -falls[hits] - 0.01  # what was left of an earlier one recovers meanwhile
    assert lost.min() > 0.05 and lost.max() < 0.42 and lost.mean() == pytest.approx(0.25, abs=0.03)
    once = Grid(1, sd_hz=0.0, contingency_per_year=0.0)
    once.model.state[:] = 0.0, 0.0, -0.3
    left = once.means(450)[:, 0]
    assert left[149] == pytest.approx(-0.3 / np.e, rel=0.01) and abs(left[-1]) < 0.02
    assert not Grid(1, sd_hz=0.0, contingency_per_year=0.0).means(600).any()


def test_plain_loops_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = Grid(3, contingency_per_year=50_000.0).means(40, 15)
    for name in ("advance", "begin"):
        monkeypatch.setattr(frequency, name, plain(frequency)[name])
    slow = Grid(3, contingency_per_year=50_000.0).means(40, 15)
    assert fast.tobytes() == slow.tobytes() and (fast < -0.1).any()


def played(**changes: Any) -> Simulator:
    sim = Simulator(scenario(**changes), 2, 1)
    sim.reset(np.ones(2, dtype=bool), generators([1, 2]))
    for k in range(12):
        sim.step(message(sim, 0.4 * (k % 3)), np.ones(2, dtype=bool))
    return sim


def test_it_is_off_by_default_and_moves_no_other_luck() -> None:
    off, on = played(), played(signals__frequency="synthetic")
    assert not off.fleet.ctx[:, EXOGENOUS.FREQ_HZ].any() and off.frequency.state.size == 0
    assert len(on.step_plan.tick.calls) == len(off.step_plan.tick.calls) + 1
    hz = on.fleet.ctx[:, EXOGENOUS.FREQ_HZ]
    assert hz.all() and hz[0] != hz[1]
    on.fleet.ctx[:, EXOGENOUS.FREQ_HZ] = 0.0
    kept = copied(on)
    del kept["frequency.state"]
    assert not same(kept, copied(off))


def test_a_copied_world_goes_on_with_the_same_frequency() -> None:
    sim = played(signals__frequency="synthetic")
    twin = sim.fork([1])
    for each in (sim, twin):
        for _ in range(3):
            each.step(message(each, 0.0), np.ones(each.n_world, dtype=bool))
    assert twin.fleet.ctx[0, EXOGENOUS.FREQ_HZ] == sim.fleet.ctx[1, EXOGENOUS.FREQ_HZ] != 0.0


# --- files


def written(tmp_path: Path, *rows: str, head: str = "time,hz") -> str:
    path = tmp_path / "grid.csv"
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return str(path)


def test_a_day_without_a_date_serves_every_day(tmp_path: Path) -> None:
    hz = 60.0 + np.round(0.03 * np.sin(np.arange(DAY_S) / 50), 4)
    path = tmp_path / "day.csv.gz"
    path.write_bytes(gzip.compress("\n".join(["time,Hz", *(f"{k},{x:.4f}" for k, x in enumerate(hz))]).encode()))
    start, series = load_frequency(str(path))
    assert start == 0 and series.shape == (DAY_S,) and series.dtype == np.float32
    for day in (9000, 9001):
        grid = Grid(2, str(path), start_s=day * DAY_S + DAY_S - 120)  # past midnight
        expected = (hz[np.arange(DAY_S - 120, DAY_S + 120) % DAY_S] - 60.0).reshape(-1, 60).mean(axis=1)
        np.testing.assert_allclose(grid.means(4, 60), np.stack([expected] * 2, axis=1), atol=2e-6)


def test_dates_and_coarser_rows_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, "2025-07-10 14:00:00,50.02", "2025-07-10 14:00:05,49.97", "2025-07-10 14:00:10,50.01")
    start, series = load_frequency(path)
    assert start % DAY_S == 14 * 3600 and series.size == 15
    np.testing.assert_allclose(series, np.repeat([0.02, -0.03, 0.01], 5), atol=1e-6)
    grid = Grid(1, path, start_s=start + 5)
    np.testing.assert_allclose(grid.means(3, 5)[:, 0], [-0.03, 0.01, 0.02], atol=1e-6)
    sim = Simulator(scenario(signals__frequency=path), 1, 1)
    sim.reset(np.ones(1, dtype=bool), generators([1]))
    sim.step(message(sim, 0.0), np.ones(1, dtype=bool))
    assert sim.fleet.ctx[0, EXOGENOUS.FREQ_HZ] == pytest.approx(0.0, abs=1e-6)  # a minute's mean of the three


@pytest.mark.parametrize(
    ("rows", "head", "fault"),
    [
        (("0,50", "1,50", "3,50"), "time,hz", "line 4, column 'time': '3'; allowed: rows 1 s apart"),
        (("0,50", "1,53"), "time,hz", "line 3, column 'hz': '53'; allowed: 50 Hz give or take 2"),
        (("0,50", "1,x"), "time,hz", "line 3, column 'hz': 'x'"),
        (("0,50", "1,"), "time,hz", "line 3, column 'hz'"),
        (("0,1.0002", "1,0.9998"), "time,hz", "allowed: 50 Hz give or take 2"),
        (("0,50",), "time,hz", "1 rows; allowed: two or more"),
        (("0.5,50", "1.5,50"), "time,hz", "allowed: whole seconds"),
        (("0,50", "1,50"), "time,herz", "no column 'hz'"),
    ],
)
def test_files_that_cannot_be_are_refused(tmp_path: Path, rows: tuple[str, ...], head: str, fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        load_frequency(written(tmp_path, *rows, head=head))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"signals.frequency": "syntetic"}, "frequency: 'syntetic'; did you mean 'synthetic'"),
        ({"signals.frequency_model.sd_hz": -1}, "signals.frequency_model.sd_hz"),
        ({"signals.frequency_model.contingency_hz": (0.4, 0.1)}, "contingency_hz 0.4, 0.1; allowed"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        load("tertiary-1-tiny", changes)
    with pytest.raises(InputError, match=r"none\.csv: cannot be read"):
        load_frequency("none.csv")
