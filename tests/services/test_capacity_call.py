"""The capacity call: notices, verdicts and books, worked by hand, and the kernels against plain Python."""

from typing import Any

import numpy as np
import pytest
from plain import plain_kernel
from pydantic import ValidationError
from services_alone import Alone, copied, opening

from der_gym.core.errors import InputError
from der_gym.services import SERVICES
from der_gym.services.award import AwardConfig
from der_gym.services.base import Scope
from der_gym.services.capacity_call import settlement
from der_gym.services.capacity_call.config import CapacityCallConfig
from der_gym.services.capacity_call.service import WIDE, CapacityCall

PLAIN: dict[str, Any] = {
    "name": "capacity-call",
    "contract_kw": 60.0,
    "contract_yen_kw_year": 5400.0,  # 75 yen per kW and called half hour; 165 yen per unmet kWh
    "energy_price_yen_kwh": 20.0,
}
DRAWN_KW = 200.0
START = 10  # with 16 half hours that may be called, the only start: 2 h + 3 h
FLAT = np.full((10, 48), DRAWN_KW)


def service(n_world: int = 1, n_block: int = 20, n_block_awarded: int = 16, **config: Any) -> CapacityCall:
    made = CapacityCallConfig(**{**PLAIN, **config})
    return CapacityCall(made, Scope(n_world, n_block, n_block_awarded, n_device=1000))


def begun(history_kw: np.ndarray = FLAT, n_world: int = 1, given: dict[str, Any] | None = None, **config: Any) -> Alone:
    made = service(n_world, **config)
    made.draw(opening(n_world, history_kw, n_block=made.scope.n_block, **(given or {})))
    return Alone(made)


BEFORE = [210.0] * 6  # the adjustment hours: 10 kW above BL0
CALLED = [150.0, 140.0, 160.0, 210.0, 250.0, 155.0]  # responses to BL 210: 60 70 50 0 -40 55
AFTER = [230.0] * 4


def worked_example(**config: Any) -> Alone:
    run = begun(**config)
    run.half_hours([*BEFORE, *[210.0] * 4, *CALLED, *AFTER])
    return run


def test_a_commitment_stands_only_where_the_group_is_called() -> None:
    s = begun().service
    called = slice(START, START + 6)
    assert s.award_kw[0].tolist() == [0.0] * 10 + [60.0] * 6 + [0.0] * 4
    assert (s.request_kw[0, 60:96] == 60).all() and s.request_kw.sum() == 36 * 60
    assert (s.target_kw[0, 300:480] == 60).all() and s.target_kw.sum() == 180 * 60
    assert (s.window_kw[0, 0, called] == 60).all() and (s.window_kw[0, 1, called] == 60 * WIDE).all()
    assert s.window_kw[0].sum() == 6 * 60 * (1 + WIDE)
    assert s.unit_kw.tolist() == [60.0] and s.yardstick_kw(np.ones(1, dtype=bool)).tolist() == [360.0]


def test_nothing_shows_before_the_notice_and_all_of_it_from_then_on() -> None:
    run, notice_s, start_s, end_s = begun(), 7200, 18_000, 28_800
    shown = {0: run.show()}
    for minute in range(20 * 30):
        run.take(DRAWN_KW)
        shown[60 * (minute + 1)] = run.show()
    for t, fields in shown.items():
        known = notice_s <= t < end_s
        assert fields["call_kw"] == (60 if known else 0), t
        assert fields["call_starts_in_s"] == (max(start_s - t, 0) if known else 0), t
        assert fields["call_left_s"] == (min(end_s - t, 10_800) if known else 0), t
    assert shown[notice_s - 60]["call_kw"] == 0
    assert shown[notice_s] == {"call_kw": 60, "call_starts_in_s": 10_800, "call_left_s": 10_800}
    assert shown[start_s + 1800] == {"call_kw": 60, "call_starts_in_s": 0, "call_left_s": 9000}


def test_the_baseline_says_nothing_before_the_notice() -> None:
    history = np.tile(np.linspace(100, 500, 48), (10, 1)) + np.arange(10)[:, None] * 3.0
    history[3, 28:34] += 9  # the lowest of the five over all hours, but not in the called ones
    drawn = []
    for n_block_awarded in (16, 18):  # calls at 14 h, or at 14 to 15 h
        made = service(8, n_block_awarded=n_block_awarded)
        made.draw(opening(8, history))
        drawn.append(made.baseline_kw.copy())
    np.testing.assert_array_equal(drawn[0], drawn[1])  # whatever the call will be
    assert len(np.unique(made._calls[:, settlement.CALL.START_BLOCK])) > 1
    run = begun(history)
    run.half_hours([200.0] * 3)
    assert run.service.baseline_kw[0].tolist() == drawn[0][0].tolist()
    run.half_hours([200.0])  # the notice
    assert (run.service.baseline_kw[0, :4] == drawn[0][0, :4]).all()
    assert (run.service.baseline_kw[0, 4:] != drawn[0][0, 4:]).all()


def test_a_notice_at_the_start_shows_at_once() -> None:
    run = begun(first_notice_h=0.0, n_block=14, n_block_awarded=12)
    assert run.show() == {"call_kw": 60, "call_starts_in_s": 10_800, "call_left_s": 10_800}
    run.half_hours([220.0] * 6)
    # The call starts at half hour 6: of its adjustment hours (-4 .. 1) the episode holds two, 20 kW above.
    assert run.service.baseline_kw[0].tolist() == [200.0] * 2 + [220.0] * 12


def test_verdicts_by_hand() -> None:
    run = worked_example()
    assert run.service.baseline_kw[0].tolist() == [200.0] * 6 + [210.0] * 14
    out = {name: [run.outcome(START + k, name) for k in range(6)] for name in run.service.OUTCOME}
    assert out["passed"] == [1, 1, 0, 0, 0, 0]
    assert out["judged_share"] == [1] * 6
    assert out["shortfall_kw"] == pytest.approx([0, 0, 10, 60, 60, 5])  # a negative response counts as none
    assert out["worst_error_kw"] == pytest.approx([0, 0, -10, -60, -100, -5])
    assert out["unmet_kwh"] == pytest.approx([0, 0, 5, 30, 30, 2.5])
    assert out["paid_kwh"] == pytest.approx([30, 30, 25, 0, 0, 27.5])  # never above the contract
    assert out["delivered_kwh"] == pytest.approx([30, 35, 25, 0, -20, 27.5])
    assert out["requested_kwh"] == pytest.approx([30] * 6)
    assert out["mean_abs_error_kw"] == pytest.approx([0, 0, 10, 60, 100, 5])  # over-delivery is no error
    assert out["mean_error_kw"] == pytest.approx([0, 10, -10, -60, -100, -5])
    assert out["penalty_yen"] == pytest.approx([0, 0, 825, 4950, 4950, 412.5])
    assert out["adjustment_kw"] == pytest.approx([10] * 6)
    for block in (0, 9, 16, 19):
        assert np.isnan(run.outcome(block, "passed")) and run.outcome(block, "judged_share") == 0
        assert run.outcome(block, "penalty_yen") == 0
    assert run.outcome(17, "delivered_kwh") == pytest.approx(-10)  # the rebound is nobody's here
    assert run.service.outside_kwh.tolist() == [0]


def test_ledger_and_scores_by_hand() -> None:
    run = worked_example()
    assert run.yen() == pytest.approx(
        {"revenue": 6 * 60 * 75, "energy": 112.5 * 20, "penalty": -67.5 * 165, "owners": -0.5 * 27_000}
    )
    assert run.service.score_kw[0] == pytest.approx([175, 360])
    assert run.service.skill()[0] == pytest.approx(1 - 175 / 360)
    assert run.service.mae_share()[0] == pytest.approx(175 / 360)


def test_a_call_may_ask_for_another_part_of_the_contract_in_each_hour() -> None:
    run = begun(asked_share=(0.3, 0.9))
    s = run.service
    asked = s.award_kw[0, START : START + 6].copy()
    assert (
        (asked[::2] == asked[1::2]).all() and len(set(asked)) == 3 and (asked >= 18.0).all() and (asked <= 54.0).all()
    )
    assert not s.award_kw[0, :START].any() and not s.award_kw[0, START + 6 :].any()
    np.testing.assert_array_equal(s.target_kw[0, START * 30 : (START + 6) * 30], np.repeat(asked, 30))
    np.testing.assert_array_equal(s.request_kw[0, START * 6 : (START + 6) * 6], np.repeat(asked, 6))
    run.half_hours([200.0] * 10 + [140.0, 200.0 - asked[1], *[200.0] * 4] + [200.0] * 4)
    yen = run.yen()
    assert yen["revenue"] == pytest.approx(6 * 60 * 75), "the contract is paid whole"
    assert yen["energy"] == pytest.approx(0.5 * (asked[0] + asked[1]) * 20), "no more than was asked is paid"
    assert yen["penalty"] == pytest.approx(-0.5 * asked[2:].sum() * 165)
    assert s.outcome[0, START : START + 6, settlement.OUTCOME.PASSED].tolist() == [1, 1, 0, 0, 0, 0]
    assert s.yardstick_yen(np.ones(1, dtype=bool), None)[0] == pytest.approx(60 * (5400 / 12 / 2 + 3 * 20 * 0.6))


def test_a_drawn_part_holds_as_long_as_it_is_said_to() -> None:
    asked = begun(asked_share=(0.3, 0.9), asked_every_h=3.0).service.award_kw[0, START : START + 6]
    assert len(set(asked)) == 1 and 18.0 <= asked[0] <= 54.0


def test_a_call_held_exactly_leaves_the_yardstick() -> None:
    run = begun()
    run.half_hours([200.0] * 10 + [140.0] * 6 + [200.0] * 4)
    everyone = np.ones(1, dtype=bool)
    # 60 kW: a twelfth of half of 5,400 yen, and 3 h at 20 yen/kWh
    assert run.service.yardstick_yen(everyone, None)[0] == pytest.approx(60 * (5400 / 12 / 2 + 3 * 20))
    assert sum(run.yen().values()) == pytest.approx(run.service.yardstick_yen(everyone, None)[0])
    assert run.service.skill().tolist() == [1]


def test_idle_loses_a_tenth_of_the_revenue() -> None:
    run = begun(owners_share=0.0)
    run.half_hours([200.0] * 20)
    assert run.yen()["energy"] == 0
    assert sum(run.yen().values()) == pytest.approx(-0.1 * 60 * 5400 / 12)


@pytest.mark.parametrize(
    ("before", "left_share"),
    [
        ({"penalised_month_share": 0.163}, 0.02),  # the month ends at 0.183
        ({"penalised_year_share": 1.07}, 0.03),  # the year at 1.10
        ({"penalised_year_share": 1.07, "penalised_month_share": 0.182}, 0.001),
        ({"penalised_year_share": 1.3}, 0.0),
        ({}, 1.1 / 12),  # a call missed whole: below both
    ],
)
def test_penalties_end_at_the_caps(before: dict[str, float], left_share: float) -> None:
    run = begun(**before)
    run.half_hours([200.0] * 20)
    assert run.yen()["penalty"] == pytest.approx(-left_share * 5400 * 60)
    uncapped = sum(run.outcome(k, "uncapped_yen") for k in range(20))
    assert uncapped == pytest.approx(1.1 / 12 * 5400 * 60)


def test_three_calls_missed_whole_would_reach_the_months_cap() -> None:
    c = CapacityCallConfig(name="capacity-call", contract_yen_kw_year=10_000)
    assert c.yen_kwh_unmet == pytest.approx(305.6, abs=0.1)  # the arithmetic that the rules are quoted with
    assert 2 * c.yen_kwh_unmet * 3 < 10_000 * c.month_cap_share * 1.002 < 3 * c.yen_kwh_unmet * 3


def test_more_drawn_in_the_adjustment_hours_earns_contract_that_nobody_delivers() -> None:
    """Known gap of the rules: 20 kW more for three hours make 20 kW of response out of nothing."""
    honest, gamed = begun(owners_share=0.0), begun(owners_share=0.0)
    honest.half_hours([200.0] * 10 + [160.0] * 6 + [200.0] * 4)  # 40 of 60 kW
    gamed.half_hours([220.0] * 6 + [200.0] * 4 + [160.0] * 6 + [200.0] * 4)
    gain = sum(gamed.yen().values()) - sum(honest.yen().values())
    assert gain == pytest.approx(20 * 3 * (165 + 20))  # 60 kWh: no penalty, and paid as energy
    assert [run.outcome(12, "passed") for run in (honest, gamed)] == [0, 1]
    # It shows: the adjustment is a column of the outcome. The 60 kWh more were bought from the owners' retailer.
    assert gamed.outcome(12, "adjustment_kw") == pytest.approx(20) and honest.outcome(12, "adjustment_kw") == 0


def test_without_adjustment_the_hours_before_the_call_count_for_nothing() -> None:
    run = begun(adjustment="none")
    run.half_hours([260.0] * 6 + [200.0] * 4 + [160.0] * 6 + [200.0] * 4)
    assert run.outcome(12, "shortfall_kw") == pytest.approx(20) and run.outcome(12, "adjustment_kw") == 0
    assert run.service.baseline_kw[0] == pytest.approx(np.full(20, DRAWN_KW))


def test_a_yardstick_below_zero_takes_adjustments_of_both_signs() -> None:
    for more_kw in (-50.0, 50.0):
        run = begun(np.full((10, 48), -30.0))  # batteries that feed the grid by themselves
        run.half_hours([-30.0 + more_kw] * 10 + [-30.0 + more_kw - 60.0] * 6)
        assert run.outcome(12, "passed") == 1 and run.outcome(12, "mean_error_kw") == pytest.approx(0)


def test_drawing_less_in_the_adjustment_hours_costs() -> None:
    run = begun()
    run.half_hours([180.0] * 6 + [200.0] * 4 + [140.0] * 6 + [200.0] * 4)
    assert run.outcome(12, "shortfall_kw") == pytest.approx(20)


def test_days_off_bring_no_call() -> None:
    for date in ("2026-08-08", "2026-08-11"):  # a Saturday; Mountain Day, a Tuesday
        run = begun(given={"date": date})
        assert not run.service.award_kw.any() and not run.service.target_kw.any()
        run.half_hours([100.0] * 20)
        assert set(run.show().values()) == {0} and set(run.yen().values()) == {0}
        assert run.service.yardstick_yen(np.ones(1, dtype=bool), None)[0] > 0  # a unit


def test_calls_start_in_every_half_hour_that_fits_and_in_no_other() -> None:
    made = service(200, n_block_awarded=18)
    made.draw(opening(200, FLAT))
    starts = made._calls[:, settlement.CALL.START_BLOCK]
    assert sorted(set(starts.tolist())) == [10, 11, 12]
    assert made.config.call_starts(9, 18) == [10, 11, 12]
    assert made.config.call_starts(13, 18) == []  # 18 h at the earliest, 21 h at its end
    assert made.config.call_starts(3, 18) == [12]  # no call before 9 h
    assert made.config.callable_blocks(9, 18) == range(10, 18) and made.config.callable_blocks(13, 4) == range(4)


def test_contract_by_season_and_number_of_devices() -> None:
    table = {"mid": 50.0, "summer": 60.0, "winter": 70.0}
    for season, kw in enumerate(table.values()):
        config = CapacityCallConfig(name="capacity-call", contract_per_1000_kw=table)
        made = CapacityCall(config, Scope(1, 20, 16, n_device=500))
        made.draw(opening(1, FLAT, season=season))
        assert made.unit_kw.tolist() == [kw / 2]


def test_a_contract_is_scaled_and_a_part_of_the_episode_called() -> None:
    fixed, table = service().config, CapacityCallConfig(name="capacity-call")
    level = table.model_copy(update={"award": AwardConfig(mode="kw", kw={"winter": {9: 40.0}})})
    for config in (fixed, table, level):
        before, after = (each.planned_kw("winter", 9, 500) for each in (config, config.scaled(1.5)))
        assert after == pytest.approx(1.5 * before) and before > 0
    assert fixed.called_share() == pytest.approx(3 / 8)


def test_a_missing_sample_costs_the_half_hour() -> None:
    run = begun()
    run.half_hours([200.0] * 10)
    for minute in range(30):
        run.t_s += 60.0 if minute == 7 else 0.0
        if minute != 7:
            run.take(100.0)
    assert run.outcome(10, "judged_share") == pytest.approx(29 / 30)
    assert run.outcome(10, "passed") == 0 and run.outcome(10, "unmet_kwh") == pytest.approx(30)


def random_history(rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(50, 300, (10, 48))


def random_minutes(run: Alone, rng: np.random.Generator, n: int) -> None:
    """Let minutes pass in which some worlds stand still, with powers around the baseline less the contract."""
    for minute in range(n):
        run.active[:] = rng.random(run.n) < 0.95 if minute % 50 == 3 else True
        kw = rng.normal(180, 60, run.n)
        run.take(kw, true_kw=kw * 1.01)
        for call in run._show:
            call()


def test_kernels_equal_plain_python() -> None:
    history, runs = random_history(np.random.default_rng(1)), []
    for by in (lambda kernel: kernel, plain_kernel):
        made = service(6, n_block_awarded=18, penalised_month_share=0.15)
        made.draw(opening(6, history))
        runs.append(Alone(made, by))
        random_minutes(runs[-1], np.random.default_rng(2), 620)  # twenty beyond the episode
    assert runs[0].service.ledger_yen.all() and runs[0].service.shown is not runs[1].service.shown
    for name, values in runs[0].service.arrays().items():
        np.testing.assert_array_equal(values, runs[1].service.arrays()[name], err_msg=name, strict=True)


def slow_ledger(s: CapacityCall, w: int, metered_kw: np.ndarray, history_kw: np.ndarray) -> list[float]:
    """Return revenue, energy, penalty and owners from half-hour means alone, (n_block,), of ten working days."""
    c, start = s.config, int(np.flatnonzero(s.award_kw[w])[0])
    slot = np.arange(18, 38) % 48
    event = slot[start : start + 6]
    five = history_kw[-5:]
    mean = five[:, event].mean(axis=1)
    keep = np.sort(np.argsort(mean)[1:])
    assert (mean >= 0.25 * mean.mean()).all()
    base = five[keep][:, slot].mean(axis=0)
    adjustment = (metered_kw - base)[start - 10 : start - 4].mean()
    response = np.maximum(base + adjustment, 0)[start : start + 6] - metered_kw[start : start + 6]
    kw = s.award_kw[w, start]
    delivered = np.clip(response, 0, kw)
    revenue = kw * c.contract_yen_kw_year / c.calls_per_year
    penalty = (kw - delivered).sum() / 2 * c.contract_yen_kw_year * 1.1 / 36
    energy = delivered.sum() / 2 * c.energy_price_yen_kwh
    return [revenue, energy, -penalty, -revenue * c.owners_share]


def test_ledger_equals_a_slow_one_on_random_episodes() -> None:
    history, rng = random_history(np.random.default_rng(5)), np.random.default_rng(6)
    made = service(8, n_block_awarded=18)
    made.draw(opening(8, history, day_off=[False] * 10))
    run, blocks = Alone(made), []
    for _ in range(20):
        minutes = rng.normal(150, 40, (30, 8))
        blocks.append(minutes.mean(axis=0))
        for kw in minutes:
            run.take(kw)
    means = np.stack(blocks, axis=1)
    slow = [slow_ledger(made, w, means[w], history) for w in range(8)]
    np.testing.assert_allclose(made.ledger_yen, slow, rtol=1e-9)
    passed = made.outcome[:, :, settlement.OUTCOME.PASSED]
    assert 0.1 < np.nanmean(passed) < 0.9  # both verdicts occur


def test_inactive_and_unmasked_worlds_keep_every_bit() -> None:
    run = begun(n_world=4)
    run.half_hours([180.0] * 12)
    before = copied(run.service)
    some = np.array([True, False, True, False])
    run.active[:] = some
    run.half_hours([150.0] * 2)
    run.service.draw(opening(4, FLAT * 2, mask=some))
    for name, values in run.service.arrays().items():
        np.testing.assert_array_equal(values[~some], before[name][~some], err_msg=name)
    assert not run.service.ledger_yen[some].any() and not run.service.score_kw[some].any()


def test_a_worlds_call_depends_on_its_own_luck_alone() -> None:
    many, few = service(8, n_block_awarded=18), service(8, n_block_awarded=18)
    many.draw(opening(8, FLAT))
    few.draw(opening(8, FLAT, mask=np.arange(8) == 5))
    np.testing.assert_array_equal(many.award_kw[5], few.award_kw[5])
    assert not few.award_kw[:5].any()


def test_service_is_registered_under_its_name() -> None:
    assert SERVICES["capacity-call"] is CapacityCall
    with pytest.raises(InputError, match="did you mean 'capacity-call'"):
        SERVICES["capacity-cal"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"contract_kw": 0.0}, "contract_kw"),
        ({"contract_kw": -5.0}, "contract_kw"),
        ({"contract_per_1000_kw": {"mid": 5.0, "summer": 5.0}}, "winter: no contract above 0 kW"),
        ({"contract_per_1000_kw": {"mid": 5.0, "summer": 0.0, "winter": 1.0}}, "summer: no contract above 0 kW"),
        ({"notice_h": 2.5}, "notice_h"),
        ({"hold_h": 2.7}, "no whole number of half hours"),
        ({"calls_per_year": 13}, "calls_per_year"),
        ({"plan": "perfect"}, "the yardstick of a call is High 4 of 5"),
        ({"contract": 5.0}, "contract"),
        ({"contract_kw": 5.0, "award": {"mode": "firm"}}, "award and contract_kw are both given"),
        ({"award": {"mode": "kw"}}, "award.kw: None"),
        ({"adjustment": "weather"}, "adjustment"),
        ({"asked_share": (0.9, 0.3)}, "two numbers in order, each 0.05 to 1"),
        ({"asked_share": (0.0, 0.3)}, "two numbers in order, each 0.05 to 1"),
        ({"asked_share": (0.3, 1.2)}, "two numbers in order, each 0.05 to 1"),
        ({"asked_every_h": 0.7}, "no whole number of half hours"),
    ],
)
def test_bad_settings_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        CapacityCallConfig(name="capacity-call", **change)


def test_starts_after_which_no_call_fits_are_refused() -> None:
    CapacityCallConfig(name="capacity-call").check((9, 12), ("mid",))
    with pytest.raises(ValueError, match=r"^starts_h 13: no call of 'capacity-call' fits, .*allowed: \[0, .*12\]$"):
        CapacityCallConfig(name="capacity-call").check((9, 13), ("mid",))


def test_a_notice_longer_than_the_episode_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"^services.capacity-call: .*notice_h 8 .*take 26 half hours; episode.n_block"
    ):
        service(notice_h=8.0)


def test_a_call_outside_the_hours_is_refused() -> None:
    made = service()
    with pytest.raises(InputError, match=r"starts at 17 h: it is held between 9 and 20 h; allowed .*: \[4, 5, .*12\]"):
        made.draw(opening(1, FLAT, start_h=17))
