"""Tertiary-1: verdicts and books, worked by hand, and the kernel against plain Python."""

from typing import Any

import numpy as np
import pytest

from der_gym.core.errors import InputError
from der_gym.services import SERVICES
from der_gym.services.base import Sample, Scope
from der_gym.services.tertiary_1 import settlement
from der_gym.services.tertiary_1.config import Tertiary1Config
from der_gym.services.tertiary_1.service import Tertiary1
from der_gym.services.tertiary_1.settlement import LINES, OUTCOME

PLAIN: dict[str, Any] = {
    "bid_price_yen_kw": 2.0,
    "energy_price_yen_kwh": 20.0,
    "fee_yen_kw": 0.1,
    "retailer_compensation_yen_kwh": 10.0,
}
FULL = [90.0] * 6  # ends 30 60 90 90 90 90: bin means 15 45 75 90 90 90
EASED = [60.0] * 6  # after FULL: ends 60 60 ...: bin means 75 60 60 60 60 60
PLAN_KW = 100.0


def product(
    award: list[float], request: list[float], failed_before: int = 0, n_world: int = 1, **config: Any
) -> Tertiary1:
    """Return a product whose worlds all hold this one award and request; the last block is unawarded."""
    p = Tertiary1(Tertiary1Config(**{**PLAIN, **config}), Scope(n_world, len(award), len(award) - 1, 10))
    p.failed_before[:] = failed_before
    prices = np.full((n_world, len(award)), 12.0)
    p.begin(np.ones(n_world, dtype=bool), np.tile(award, (n_world, 1)), np.tile(request, (n_world, 1)), prices)
    return p


def take(p: Tertiary1, active: Any, minute: Any, true_kw: Any, metered_kw: Any, plan_kw: Any) -> None:
    """Let a product take one minute, (n_world,) each."""
    for call in p.settle(active, np.zeros(len(active)), Sample(active, minute, true_kw, metered_kw, plan_kw)):
        call(0, len(active))


def play(p: Tertiary1, bin_response_kw: list[float]) -> None:
    """Let every world answer with these bin means."""
    n = p.scope.n_world
    for m in range(len(bin_response_kw) * 5):
        power = np.full(n, PLAN_KW - bin_response_kw[m // 5])
        take(p, np.ones(n, dtype=bool), np.full(n, m, dtype=np.int64), power, power, np.full(n, PLAN_KW))


def outcome(p: Tertiary1, block: int, name: str) -> float:
    return float(p.outcome[0, block, OUTCOME.number(name)])


def yen(p: Tertiary1) -> dict[str, float]:
    return dict(zip(LINES, p.ledger_yen[0].tolist(), strict=True))


LATE = [0, 15, 45, 75, 82, 90]  # FULL five minutes late, and 8 kW short (band 9) in bin 4
MIXED = [80, 60, 40, 75, 60, 60]  # EASED: 20 short in bin 8, 15 too much in bin 9
REBOUND = [-30] * 6


def worked_example(mode: str) -> Tertiary1:
    p = product([90, 90, 0], FULL + EASED + [0] * 6, failed_before=2, penalty_mode=mode)
    play(p, LATE + MIXED + REBOUND)
    return p


def test_verdicts_by_hand() -> None:
    p = worked_example("proportional")
    # Block 0. Lag 0..5 min allows bin means 0-15, 15-45, 45-75, 75-90, 90, 90: errors 0 0 0 0 -8 0; band 9: passed.
    assert outcome(p, 0, "passed") == 1
    assert outcome(p, 0, "worst_error_kw") == pytest.approx(-8)
    assert outcome(p, 0, "shortfall_kw") == 0  # in band
    assert outcome(p, 0, "requested_kwh") == pytest.approx((15 + 45 + 75 + 3 * 90) / 12)  # 33.75
    assert outcome(p, 0, "delivered_kwh") == pytest.approx((0 + 15 + 45 + 75 + 82 + 90) / 12)
    assert outcome(p, 0, "paid_kwh") == pytest.approx(307 / 12)  # never above what was requested
    # Block 1. Allowed: 75-90, 60-75, 60, 60, 60, 60: errors 0 0 -20 +15 0 0.
    assert outcome(p, 1, "passed") == 0
    assert outcome(p, 1, "worst_error_kw") == pytest.approx(-20)
    assert outcome(p, 1, "shortfall_kw") == pytest.approx(20)
    assert outcome(p, 1, "paid_kwh") == pytest.approx((80 + 60 + 40 + 75 + 60 + 60) / 12)  # of 30 minutes: 31.25 too
    assert outcome(p, 1, "abandoned") == 0
    # Block 2 is unawarded: no verdict, 30 kW * 0.5 h too much.
    assert np.isnan(outcome(p, 2, "passed")) and outcome(p, 2, "judged_share") == 0
    assert outcome(p, 2, "delivered_kwh") == pytest.approx(-15)
    assert [outcome(p, k, "judged_share") for k in (0, 1)] == [1, 1]


@pytest.mark.parametrize(
    ("mode", "penalty"),
    [("proportional", 1.5 * 2 * 20), ("block", 1.5 * 2 * 90)],  # factor * price * worst kW, or the award
)
def test_ledger_by_hand(mode: str, penalty: float) -> None:
    p = worked_example(mode)
    paid = (307 + 375) / 12
    expected = {
        "revenue": 2 * 90 * 2.0,
        "energy": paid * 20,
        "fee": -2 * 90 * 0.1,
        "penalty": -penalty,
        "owners": -0.5 * 360,
        "retailer": -paid * 10,
        "imbalance": -15 * 12,  # drawing 15 kWh more than planned
        "lockout": -7 * (2 * 90 * (2 * 0.5 - 0.1)),  # the third failure in 30 days
    }
    assert yen(p) == pytest.approx(expected)
    assert outcome(p, 1, "penalty_yen") == pytest.approx(penalty)


def test_the_rest_of_an_awarded_block_is_imbalance_too() -> None:
    """A plan that is 20 kW too high earns the imbalance price, one too low pays it; noise is worth nothing."""
    long, short, noisy = (product([90, 0], [0] * 12) for _ in range(3))
    play(long, [20] * 6)
    play(short, [-20] * 6)
    play(noisy, [20, -20] * 3)
    assert (yen(long)["imbalance"], yen(short)["imbalance"]) == pytest.approx((20 * 0.5 * 12, -20 * 0.5 * 12))
    assert [yen(p)["energy"] for p in (long, short, noisy)] == [0, 0, 0]
    assert yen(noisy)["imbalance"] == pytest.approx(0, abs=1e-9)


def test_reserve_energy_is_that_of_thirty_minutes() -> None:
    """Ten kWh are asked for. A group that swings around them is paid ten; of 12 delivered two are imbalance."""
    asked = [20.0] * 6
    steady, swinging, more, less = (product([20, 0], asked + [0] * 6, signal="simple") for _ in range(4))
    play(steady, [20] * 6)
    play(swinging, [40, 0] * 3)
    play(more, [24] * 6)
    play(less, [14] * 6)
    assert [yen(p)["energy"] for p in (steady, swinging, more, less)] == pytest.approx([200, 200, 200, 140])
    assert [yen(p)["imbalance"] for p in (steady, swinging, more, less)] == pytest.approx([0, 0, 24, 0], abs=1e-9)


def test_energy_outside_the_award_is_handed_on_and_earns_the_imbalance_price() -> None:
    p = product([90, 0], [0] * 12)
    play(p, [0] * 6 + [10] * 6)
    assert yen(p)["imbalance"] == pytest.approx(10 * 0.5 * 12)
    assert p.outside_kwh.tolist() == pytest.approx([5.0])


def test_drawing_more_than_planned_outside_the_award_costs_the_imbalance_price() -> None:
    p = product([90, 0], [0] * 12)
    play(p, [0] * 6 + [-10] * 6)
    assert yen(p)["imbalance"] == pytest.approx(-10 * 0.5 * 12)


def test_over_delivery_fails_and_earns_nothing_more() -> None:
    right, over = product([90, 0], FULL + [0] * 6), product([90, 0], FULL + [0] * 6)
    play(right, [15, 45, 75, 90, 90, 90])
    play(over, [15, 45, 75, 90, 100, 90])  # 10 above a band of 9
    assert outcome(right, 0, "passed") == 1 and outcome(over, 0, "passed") == 0
    assert yen(over)["energy"] == pytest.approx(yen(right)["energy"])
    assert yen(over)["penalty"] == pytest.approx(-1.5 * 2 * 10)


def test_the_edge_of_the_band_passes() -> None:
    p = product([90, 0], FULL + [0] * 6)
    play(p, [15, 45, 75, 90, 99, 81])
    assert outcome(p, 0, "passed") == 1


def test_at_request_zero_idle_passes_but_a_plan_that_is_off_does_not() -> None:
    idle, off = product([90, 0], [0] * 12), product([90, 0], [0] * 12)
    play(idle, [0] * 6)
    play(off, [9.5] * 6)
    assert outcome(idle, 0, "passed") == 1  # so requests need a floor: idle must not live on a silent market
    assert outcome(off, 0, "passed") == 0


def test_a_negative_response_is_paid_nothing() -> None:
    p = product([90, 0], FULL + [0] * 6)
    play(p, [-50] * 6)
    assert yen(p)["energy"] == 0
    assert yen(p)["penalty"] == pytest.approx(-1.5 * 2 * 90)  # 140 kW missing, but never more than the award


def test_a_block_given_up_is_flagged_and_one_fought_for_is_not() -> None:
    left, fought = product([90, 0], FULL + [0] * 6), product([90, 0], FULL + [0] * 6)
    play(left, [15, 0, 0, 0, 0, 0])
    play(fought, [15, 0, 0, 80, 90, 90])
    assert (outcome(left, 0, "abandoned"), outcome(fought, 0, "abandoned")) == (1, 0)
    assert outcome(left, 0, "passed") == outcome(fought, 0, "passed") == 0


def test_simple_signal_judges_the_half_hour() -> None:
    p = product([60, 0], [60] * 6 + [0] * 6, signal="simple")
    play(p, [10, 30, 70, 70, 70, 50])  # mean 50: the least that five minutes of lag allow
    assert outcome(p, 0, "passed") == 1 and outcome(p, 0, "worst_error_kw") == pytest.approx(0)
    assert outcome(p, 0, "judged_share") == 1


@pytest.mark.parametrize(("before", "times"), [(0, 0), (1, 1), (2, 1)])
def test_lockout_is_booked_once_at_the_third_failure(before: int, times: int) -> None:
    p = product([90, 90, 0], FULL + FULL + [0] * 6, failed_before=before)
    play(p, [0] * 12)
    assert yen(p)["lockout"] == pytest.approx(-times * 7 * 180 * 0.9)
    assert p.failed().tolist() == [before + 2]


def test_accuracy_scores_by_hand() -> None:
    p = product([90, 0], FULL + [0] * 6)
    assert p.skill().tolist() == [0] and p.mae_share().tolist() == [0]
    play(p, [15, 45, 75, 90, 90, 45])
    # minutes of a ramping bin lie 12 6 0 6 12 off its mean (mean 7.2, three bins); bin 5 is 45 off; target sums to 405
    assert p.skill()[0] == pytest.approx(1 - (3 * 7.2 + 45) / 405)
    assert p.mae_share()[0] == pytest.approx((3 * 7.2 + 45) / 6 / 90)
    idle = product([90, 0], FULL + [0] * 6)
    play(idle, [0] * 12)
    assert idle.skill()[0] == pytest.approx(0)


def test_a_missing_minute_shows_and_costs_the_block() -> None:
    p = product([90, 0], [0] * 12)
    x = np.full(1, PLAN_KW)
    for m in [*range(7), *range(8, 30)]:
        take(p, np.ones(1, dtype=bool), np.array([m]), x, x, x)
    assert outcome(p, 0, "judged_share") == pytest.approx(5 / 6)
    assert outcome(p, 0, "passed") == 0 and yen(p)["penalty"] == pytest.approx(-1.5 * 2 * 90)


def test_meter_gap_is_reported_and_settlement_follows_the_meter() -> None:
    p = product([90, 0], [0] * 12)
    for m in range(30):
        take(p, np.ones(1, dtype=bool), np.array([m]), np.array([104.0]), np.array([100.0]), np.array([100.0]))
    assert outcome(p, 0, "true_minus_metered_kwh") == pytest.approx(2)
    assert outcome(p, 0, "passed") == 1 and outcome(p, 0, "delivered_kwh") == 0


def random_product(n_world: int, seed: int, **config: Any) -> tuple[Tertiary1, np.random.Generator]:
    rng = np.random.default_rng(seed)
    p = Tertiary1(Tertiary1Config(**config), Scope(n_world, 4, 3, 5))
    award = np.pad(rng.uniform(50, 90, (n_world, 3)), ((0, 0), (0, 1)))
    request = rng.uniform(0, 1, (n_world, 24)) * np.repeat(award, 6, axis=1)
    p.failed_before[:] = rng.integers(0, 3, n_world)
    p.begin(np.ones(n_world, dtype=bool), award, request, rng.normal(10, 5, (n_world, 4)))
    return p, rng


def random_minutes(p: Tertiary1, rng: np.random.Generator, first: int, last: int) -> list[tuple[Any, ...]]:
    """Return arguments of ``minute``: responses that lag the target by 0-7 minutes, off by a few kW."""
    lag, noise = rng.integers(0, 8, p.scope.n_world), rng.uniform(0, 12, p.scope.n_world)
    minutes = []
    for m in range(first, last):
        response = (
            p.target_kw[np.arange(p.scope.n_world), np.clip(m - lag, 0, p.target_kw.shape[1] - 1)]
            + rng.normal(0, 1, p.scope.n_world) * noise
        )
        true = PLAN_KW - response
        when = np.full(p.scope.n_world, m, dtype=np.int64)
        plan = np.full(p.scope.n_world, PLAN_KW)
        minutes.append((np.ones(p.scope.n_world, dtype=bool), when, true, true * 1.001, plan))
    return minutes


@pytest.mark.parametrize("signal", ["edc", "simple"])
def test_kernel_equals_plain_python(signal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = product([90, 60, 0], FULL + EASED + [0] * 6, n_world=3, signal=signal, penalty_mode="block")
    plain = product([90, 60, 0], FULL + EASED + [0] * 6, n_world=3, signal=signal, penalty_mode="block")
    minutes = random_minutes(compiled, np.random.default_rng(3), 0, 95)  # five beyond the episode
    for arguments in minutes:
        take(compiled, *arguments)
    for name in ("sample", "judge", "penalise", "reserve_kwh", "book_award", "settle", "sum_scores", "advance"):
        monkeypatch.setattr(settlement, name, getattr(settlement, name).py_func)
    for arguments in minutes:
        take(plain, *arguments)
    for name, values in compiled.arrays().items():
        np.testing.assert_array_equal(values, plain.arrays()[name], err_msg=name, strict=True)


def slow_passed(p: Tertiary1, w: int, block: int, response_kw: np.ndarray) -> bool:
    """Judge a block from its minutes alone, trying every second of lag on a trajectory made anew."""
    y, rate = [0.0], 0.0
    for b in range((block + 1) * 6):
        k = b // 6
        rate = max(p.award_kw[w, k], p.award_kw[w, k - 1] if k else 0.0) / 900
        for _ in range(300):
            step = min(abs(p.request_kw[w, b] - y[300 * b]) / 300, rate)
            y.append(y[-1] + step * np.sign(p.request_kw[w, b] - y[300 * b]))
    second = np.concatenate([np.zeros(300), (np.array(y[1:]) + np.array(y[:-1])) / 2])
    for b in range(block * 6, block * 6 + 6):
        mean = response_kw[b * 5 : b * 5 + 5].mean()
        targets = np.array([second[300 + b * 300 - lag :][:300].mean() for lag in range(301)])
        if not targets.min() - 0.1 * p.award_kw[w, block] <= mean <= targets.max() + 0.1 * p.award_kw[w, block]:
            return False
    return True


def test_verdicts_equal_a_slow_judge_on_random_episodes() -> None:
    p, rng = random_product(12, 5)
    minutes = random_minutes(p, rng, 0, 120)
    for arguments in minutes:
        take(p, *arguments)
    response = np.stack([plan - metered for _, _, _, metered, plan in minutes], axis=1)
    got = p.outcome[:, :3, OUTCOME.number("passed")]
    expected = [[slow_passed(p, w, k, response[w]) for k in range(3)] for w in range(12)]
    assert got.tolist() == np.array(expected, dtype=float).tolist()
    assert 0.1 < got.mean() < 0.9  # both verdicts occur
    assert (p.outcome[:, :3, OUTCOME.number("judged_share")] == 1).all()


def test_inactive_and_unmasked_worlds_keep_every_bit() -> None:
    p, rng = random_product(4, 7)
    minutes = random_minutes(p, rng, 0, 120)
    for arguments in minutes[:40]:
        take(p, *arguments)
    before = {name: values.copy() for name, values in p.arrays().items()}
    some = np.array([True, False, True, False])
    for arguments in minutes[40:70]:
        take(p, some, *arguments[1:])
    p.begin(some, np.zeros((4, 4)), np.full((4, 24), 0.0), np.zeros((4, 4)))
    for name, values in p.arrays().items():
        np.testing.assert_array_equal(values[~some], before[name][~some], err_msg=name)
    assert not p.ledger_yen[some].any()


def test_a_world_continues_with_the_same_bits_in_another_place() -> None:
    p, rng = random_product(2, 11)
    minutes = random_minutes(p, rng, 0, 120)
    for arguments in minutes[:47]:
        take(p, *arguments)
    other, _ = random_product(5, 12)
    for name, values in p.arrays().items():
        other.arrays()[name][3] = values[1]
    for arguments in minutes[47:]:
        take(p, *arguments)
        spread = [np.repeat(values[1:], 5, axis=0) for values in arguments]
        take(other, *spread)
    for name, values in p.arrays().items():
        assert len(values) == p.scope.n_world
        np.testing.assert_array_equal(values[1], other.arrays()[name][3], err_msg=name)


def test_starting_no_world_changes_nothing() -> None:
    p, _ = random_product(2, 13)
    before = {name: values.copy() for name, values in p.arrays().items()}
    p.begin(np.zeros(2, dtype=bool), np.ones((2, 4)), np.ones((2, 24)), np.ones((2, 4)))
    for name, values in p.arrays().items():
        np.testing.assert_array_equal(values, before[name], err_msg=name)


def test_kernel_has_one_signature() -> None:
    play(product([90, 0], [0] * 12), [0] * 6)
    assert len(settlement.advance.signatures) == 1


def test_product_is_registered_under_its_name() -> None:
    assert SERVICES["tertiary-1"] is Tertiary1
    with pytest.raises(InputError, match="did you mean 'tertiary-1'"):
        SERVICES["tertiary1"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"award": [0.5, 0.0]}, "award_kw: 0.5 .*min_bid_kw"),
        ({"award": [90.0, 90.0]}, "award_kw: 90 .*column 1 .*allowed: 0 from block 1"),
        ({"award": [float("nan"), 0.0]}, "award_kw: nan"),
        ({"award": [90.0, 0.0, 0.0]}, "award_kw: shape"),
        ({"price": float("inf")}, "imbalance_yen_kwh: inf"),
        ({"failed": 3}, "failed_before: 3 .*0..2"),
    ],
)
def test_bad_episodes_are_refused(change: dict[str, Any], words: str) -> None:
    p = Tertiary1(Tertiary1Config(), Scope(1, 2, 1, 1))
    p.failed_before[:] = change.get("failed", 0)
    with pytest.raises(InputError, match=words):
        prices = np.full((1, 2), change.get("price", 10.0))
        p.begin(np.ones(1, dtype=bool), np.array([change.get("award", [90.0, 0.0])]), np.zeros((1, 12)), prices)


@pytest.mark.parametrize("counts", [(1, 2, 2, 1), (1, 2, 0, 1)])
def test_bad_sizes_are_refused(counts: tuple[int, int, int]) -> None:
    with pytest.raises(InputError, match=r"^n_"):
        Tertiary1(Tertiary1Config(), Scope(*counts))
