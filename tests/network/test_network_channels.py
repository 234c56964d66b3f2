"""The paths' own figures, their settings, and what is said about settings that cannot be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import stats

from der_gym.core.errors import InputError
from der_gym.network.channels import CHANNELS, TAIL, ChannelConfig, Delay
from der_gym.network.config import NetworkConfig
from der_gym.network.tables import LOST_AT, NEVER_S, QUANTILE_STEPS
from der_gym.numerics.approx import lookup
from der_gym.scenario.load import load
from der_gym.simulation.assets import scenario_assets


@pytest.mark.parametrize("name", CHANNELS)
def test_quantiles_undo_the_mixtures_distribution(name: str) -> None:
    path, p = CHANNELS[name], np.array([1e-3, 0.05, 0.5, 0.9, 0.99, 0.9995])
    t = path.quantiles(p)
    np.testing.assert_allclose(path.share_within(t), p, rtol=1e-9)
    laws = {"lognormal": stats.lognorm, "pareto": stats.pareto}
    total = sum(d.share for d in path.latency)
    told = sum(d.share / total * laws[d.kind].cdf(t, d.sigma, scale=d.median_s) for d in path.latency)
    np.testing.assert_allclose(told, p, rtol=1e-9)
    assert path.quantile(0.5) == pytest.approx(t[2])


@pytest.mark.parametrize("name", CHANNELS)
def test_the_table_holds_the_quantiles_and_errs_only_in_its_last_step(name: str) -> None:
    path = CHANNELS[name]
    table, steps = path.table(), QUANTILE_STEPS - 1
    assert table.dtype == np.float32 and (table[:, 1] >= 0).all() and table.shape == (LOST_AT + 1, 2)
    assert table[steps, 0] == pytest.approx(path.quantile(1 - TAIL), rel=1e-6)
    assert lookup(table, np.float32(LOST_AT)) == NEVER_S
    inner, last = np.linspace(0.02, 0.98, 200), np.linspace(0.997, 0.999, 20)
    read = np.array([lookup(table, np.float32(u * steps)) for u in inner])
    np.testing.assert_allclose(read, path.quantiles(inner), rtol=0.05)
    slow = np.array([lookup(table, np.float32(u * steps)) for u in last]) / path.quantiles(last)
    assert slow.min() > 0.9 and slow.max() < 2.0


@pytest.mark.parametrize("name", CHANNELS)
def test_p95_is_what_a_plain_draw_finds(name: str) -> None:
    path, draw, n = CHANNELS[name], np.random.default_rng(8), 200_000
    latency = path.quantiles(draw.random(n))
    wait = draw.random(n) * draw.choice(path.poll_s, n, p=path.poll_share) if path.poll_s else 0.0
    assert path.p95_s() == pytest.approx(np.quantile(latency + wait, 0.95), rel=0.03)


def test_slow_pollers_cannot_serve_tertiary_1_and_pollers_can() -> None:
    assert CHANNELS["P4"].p95_s() < 900 < CHANNELS["P4-slow"].p95_s()
    assert all(CHANNELS[name].p95_s() < 60 for name in CHANNELS if not name.startswith("P4"))
    with pytest.raises(InputError, match=r"P4-slow: p95 .* > 900 s"):
        _ = simulated({"fleet.mix": [{"device": "battery", "path": "P4-slow", "cloud": "C", "share": 1}]})


def simulated(overrides: dict[str, Any]) -> Any:

    return scenario_assets(load("tertiary-1-tiny", {"network.ideal": False, **overrides}))


def test_medians_are_those_of_the_archetypes_stages() -> None:
    stages = {  # contract interface and delivery: median s, sigma
        "P1": [(0.25, 0.6)],
        "P2": [(0.5, 0.6), (1.2, 0.8)],
        "P3": [(1.5, 0.7), (3.0, 0.8)],
        "P4": [(1.5, 0.7)],
        "P5": [(1.0, 0.6)],
        "P6": [(0.6, 0.6), (2.0, 0.8)],
    }
    draw = np.random.default_rng(9)
    for name, parts in stages.items():
        whole = sum(median * np.exp(sigma * draw.standard_normal(100_000)) for median, sigma in parts)
        assert CHANNELS[name].quantile(0.5) == pytest.approx(np.median(whole), rel=0.1)


def test_longest_bounds_latency_and_two_polls() -> None:
    for path in map(CHANNELS.__getitem__, CHANNELS):
        assert path.longest_s() >= path.quantile(1 - TAIL) + 2 * max(path.poll_s, default=0.0)


# --- settings of a scenario


def test_a_path_keeps_what_is_not_changed() -> None:
    changed = NetworkConfig.model_validate({"paths": {"P3": {"hold_s": 900}}})
    assert changed.path("P3").hold_s == 900 and changed.path("P3").latency == CHANNELS["P3"].latency
    assert changed.path("P2") is CHANNELS["P2"]
    assert NetworkConfig().path("P3") is CHANNELS["P3"]


def test_ideal_makes_every_path_ideal_and_still_knows_names() -> None:
    ideal = NetworkConfig(ideal=True)
    assert ideal.path("P4-slow") is CHANNELS["ideal"]
    with pytest.raises(InputError, match="did you mean 'P4-slow'"):
        ideal.path("P4slow")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"paths": {"P4slow": {}}}, r"paths: unknown name 'P4slow'; did you mean 'P4-slow'\?"),
    ({"paths": {"P3": {"loss": 0.1}}}, r"paths\.P3\.loss: unknown key; did you mean 'loss_share'\? allowed: batch"),
    ({"paths": {"P3": {"loss_share": 2}}}, r"paths\.P3\.loss_share: .*less than or equal to 1 \(given: 2\)"),
    ({"paths": {"P3": {"hold_s": 0}}}, r"paths\.P3\.hold_s: .*greater than 0 \(given: 0\)"),
    ({"paths": {"P3": {"hold_s": "soon"}}}, r"paths\.P3\.hold_s: .*number.* \(given: 'soon'\)"),
    ({"paths": {"P3": {"telemetry_s": float("nan")}}}, r"paths\.P3\.telemetry_s: .*finite"),
    ({"paths": {"P3": {"request_per_s": float("inf")}}}, r"paths\.P3\.request_per_s: .*finite"),
    ({"paths": {"P3": {"latency": []}}}, r"paths\.P3\.latency: .*at least 1 item"),
    ({"paths": {"P3": {"latency": [{"median_s": -1}]}}}, r"paths\.P3\.latency\.0\.median_s: .*0\.000001"),
    ({"paths": {"P3": {"latency": [{"median_s": 1e-320}]}}}, r"paths\.P3\.latency\.0\.median_s: .*0\.000001"),
    ({"latency_scale": 1e-320}, r"(?s)latency_scale.*0\.001"),
    ({"paths": {"P3": {"latency": [{"median_s": 1, "share": 0}]}}}, r"paths\.P3: latency: .*add up to 0"),
    ({"paths": {"P3": {"latency": [{"median_s": 1, "kind": "pareto", "sigma": 0.1}]}}}, "longer than a day"),
    ({"paths": {"P4": {"poll_s": [60]}}}, r"paths\.P4: poll_s has 1 periods, poll_share 2"),
    ({"paths": {"P4": {"poll_s": [0, 60]}}}, r"paths\.P4\.poll_s\.0: .*greater than 0 \(given: 0\)"),
    ({"paths": {"P4": {"poll_share": [0, 0]}}}, r"paths\.P4: poll_share .*above 0"),
    ({"paths": {"P4": {"poll_s": [1, 2, 3], "poll_share": [1, 1, 1]}}}, r"paths\.P4\.poll_s: .*at most 2"),
    ({"latency_scale": 20, "paths": {"P4": {"poll_s": [6000, 60]}}}, r"paths\.P4\.poll_s\.0: .*86400"),
    ({"latency_scale": 0}, "latency_scale"),
    ({"reach": 0.9}, "reach"),
]


@pytest.mark.parametrize(("settings", "words"), WRONG)
def test_settings_that_cannot_be_are_refused_in_one_line(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        NetworkConfig.model_validate(settings)
    with pytest.raises(InputError, match=words) as raised:
        load("tertiary-1-tiny", {f"network.{key}": value for key, value in settings.items()})
    assert "\n" not in str(raised.value) and "network" in str(raised.value)


def test_a_new_path_is_one_line_and_a_taken_name_is_refused() -> None:
    with pytest.raises(InputError, match="path: 'P3' is registered already"):
        CHANNELS.register("P3", ChannelConfig(latency=(Delay(median_s=1.0),)))
    with pytest.raises(InputError, match="path: unknown name 'P7'"):
        NetworkConfig().path("P7")


def test_a_unit_pays_its_own_channel_s_price_which_ablations_leave() -> None:
    paths = {"paths": {"P3": {"yen_per_unit_month": 40}}}
    for settings, fee in (({}, 25.0), (paths, 40.0), ({**paths, "ideal": True, "latency_scale": 3.0}, 40.0)):
        config = NetworkConfig.model_validate(settings)
        assert (config.fee_yen_month("P1"), config.fee_yen_month("P3"), config.fee_yen_month("ideal")) == (200, fee, 0)
