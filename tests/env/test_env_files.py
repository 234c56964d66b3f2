"""Worlds from a user's own files: resources, prices, requests; and what is said where they do not fit."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from signals_files import jepx_rows, price_of, write
from worlds import MONDAY, small

from der_gym.core.errors import InputError
from der_gym.env.single import DERGroupEnv

START = "2024-02-13"  # eleven days into the files


def made(changes: dict[str, Any]) -> DERGroupEnv:
    env = DERGroupEnv("tertiary-1", small(changes=changes))
    env.reset(seed=1)
    obs, reward, *_ = env.step(np.full(env.layout.n_leaf, 0.5, dtype=np.float32))
    assert env.observation_space.contains(obs) and np.isfinite(reward)
    return env


def test_a_resource_table_takes_the_place_of_the_mix(tmp_path: Path) -> None:
    rows = ["id,class,path,rated_kw,leaf"] + [f"b{k},battery,P3,{3 + k % 2},all" for k in range(20)]
    env = made({"resources": str(write(tmp_path / "mine.csv", [*rows, "e0,ev,P6,3,cars"]))})
    assert env.layout.leaf_names == ("all", "cars") and env.worlds.simulator.structure.n_device == 21
    assert env.layout.nominal_kw == pytest.approx([70.0, 3.0])
    with pytest.raises(InputError, match="did you mean 'battery'"):
        made({"resources": str(write(tmp_path / "bad.csv", [rows[0], "b,batery,P3,3,all"]))})


def test_prices_of_a_file_are_seen(tmp_path: Path) -> None:
    env = made({"signals.prices": str(write(tmp_path / "spot.csv", jepx_rows(20))), "signals.start": START})
    obs, _ = env.reset(seed=1, options={"start_h": 14})
    tokyo = price_of(12, 29, 2)  # the thirteenth day's half hour from 14 h
    assert env.layout.decode(obs, "spot_yen") == pytest.approx(tokyo, abs=1e-3)


@pytest.mark.parametrize(
    ("n_day", "changes", "words"),
    [
        (8, {"signals.start": None}, "signals: the files share 8 days; allowed: 14 or more"),
        (8, {"signals.start": START}, "the files share 8 days"),
        (20, {"signals.start": "2024-03-13"}, "the files allow 2024-02-12 to 2024-02-18"),
        (
            20,
            {"signals.start": None, "episode.seasons": ("summer",)},
            r"\['summer'\]: no such day; allowed: \['winter'\]",
        ),
        (20, {"signals.start": None, "split": "test"}, "split 'test': no day"),
        (20, {"signals.start": START, "signals.area": "tokio"}, "did you mean 'tokyo'"),
    ],
)
def test_files_that_do_not_fit_are_named(tmp_path: Path, n_day: int, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        made({"signals.prices": str(write(tmp_path / "spot.csv", jepx_rows(n_day))), **changes})


def test_a_request_of_ones_own_is_played_and_cut_to_the_award(tmp_path: Path) -> None:
    first = datetime.fromisoformat(MONDAY)
    rows = ["datetime,request_kw"]
    asks = {28: 6, 29: 1, 30: 2}  # the half hours of the window from 14 h; the last has no award
    rows += [f"{first + timedelta(minutes=30 * k):%Y-%m-%d %H:%M},{asks.get(k, 0)}" for k in range(96)]
    words = (
        r"r.csv: 6 of 12 bins cut to the award of 5 kW \(up to 6 kW asked\); 6 bins outside the awarded blocks set to 0"
    )
    with pytest.warns(UserWarning, match=words) as said:
        env = made({"signals.request": str(write(tmp_path / "r.csv", rows)), "services.tertiary-1.award_kw": 5.0})
        env.reset(seed=1, options={"start_h": 14})
        env.reset(seed=2, options={"start_h": 14})
    assert len(said) == 1 and env.worlds.simulator.market.notes == [str(said[0].message)]
    asked = env.worlds.simulator.market.primary.service.request_kw[0]
    assert asked.tolist() == np.repeat([5.0, 1.0, 0.0], 6).tolist()
    with pytest.raises(InputError, match="are not in the file"):
        made({"signals.request": str(write(tmp_path / "short.csv", rows[:8]))})
