"""Write the figures of ``docs/owners.md``: what owners do in the model beside what trials found.

    python scripts/owners.py

The numbers come from `der_gym.devices.owners` with its shipped settings: 8,000 homes are drawn, called and answered.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from der_gym.core.files import write_text
from der_gym.devices import DEVICES
from der_gym.devices.owners.appeals import worth_of_appeal
from der_gym.devices.owners.choice import least_pay
from der_gym.devices.owners.commanded import HOME_PARAMS, draw_homes
from der_gym.devices.owners.config import CFG, AppealConfig, IncentiveConfig, constants, own_constants
from der_gym.devices.owners.draws import PARAMS, draw_owners
from der_gym.devices.owners.opting import CFG as OPTING
from der_gym.devices.owners.opting import DispatchConfig, opts_out
from der_gym.devices.owners.opting import constants as dispatch_constants
from der_gym.devices.owners.terms import OwnerTerms

PAGE = Path(__file__).resolve().parents[1] / "docs" / "owners.md"
N = 8_000
RETAIL_YEN = 28.0  # price of the trials' households, yen/kWh [A]
DEPTH = 0.40  # part of its load that a household gives up once it takes part [S: Saving Sessions]
GBP_YEN = 190.0  # yen per pound [A]
BEGIN, END = "<!-- figures: python scripts/owners.py -->", "<!-- end of figures -->"
F4 = np.float32


def minds(config: IncentiveConfig, automated_share: float = 0.0, seed: int = 1) -> np.ndarray:
    """Return the Params of N homes, float32 (PARAMS.N, N)."""
    keys = np.random.default_rng(seed).integers(2**32, size=(1, 4), dtype=np.uint32)
    params = np.zeros((1, PARAMS.N, N), F4)
    own = own_constants(config, OwnerTerms(automated_share=automated_share))
    uid = np.arange(N, dtype=np.uint32)[None]
    draw_owners(0, 1, 1, np.ones(1, bool), keys, uid, own, 0, N, params)
    found: np.ndarray = params[0]
    return found


def opted_in(
    pay_yen_kwh: float, notice_min: float = 0.0, calls: float | None = None, stake: float = 0.3,
    config: IncentiveConfig | None = None, seed: int = 2,
) -> float:  # fmt: skip
    """Return the share of people who opt in to one event.

    Parameters
    ----------
    pay_yen_kwh : float
    notice_min : float
        Minutes from the notice to the event.
    calls : float, optional
        Calls that still weigh for everybody; default: as drawn, those of ``calls_per_week``.
    stake : float
        Comfort at stake, 0..1.
    config : IncentiveConfig, optional
    seed : int
        Of the homes' luck.
    """
    c = config or IncentiveConfig()
    params, u = minds(c), np.random.default_rng(seed).uniform(1e-6, 1 - 1e-6, N)
    notice = c.notice_weight * min(notice_min / c.notice_full_min, 1.0)
    tired = params[PARAMS.CALLS_BEFORE] if calls is None else np.full(N, calls, F4)
    numbers = (c.pay_slope, math.log(c.half_yen_kwh), notice, c.stake_weight, c.tired_weight)
    prices = [
        least_pay(F4(luck), mind, F4(stake), before, *map(F4, numbers))
        for luck, mind, before in zip(u, params[PARAMS.MIND], tired, strict=True)
    ]
    return float((np.array(prices) < pay_yen_kwh).mean())


def helped(calls: float) -> float:
    """Return the share of people who help after an appeal at a day's notice; ``calls`` still weigh for everybody."""
    cfg = constants(IncentiveConfig(appeal=AppealConfig()))
    worth = worth_of_appeal(cfg[CFG.APPEAL_WORTH], cfg[CFG.APPEAL_FADES], F4(calls))
    return opted_in(float(worth), 1440.0, calls)


def weighing(calls_per_day: list[int], config: IncentiveConfig | None = None) -> float:
    """Return the calls that still weigh after days with so many calls, the last day last."""
    c = config or IncentiveConfig()
    return sum(n * math.exp(-age / c.tired_days) for age, n in enumerate(reversed(calls_per_day)))


@dataclass(frozen=True)
class Finding:
    """One finding of a trial, what the model gives, and the bounds within which a test holds it."""

    what: str
    found: str
    source: str
    model: float
    low: float
    high: float
    unit: str = "%"

    @property
    def holds(self) -> bool:
        """Return whether the model lies within the bounds."""
        return self.low <= self.model <= self.high


def findings() -> list[Finding]:
    """Return every figure of the page."""
    twice, four = RETAIL_YEN, 3.0 * RETAIL_YEN  # what a kWh saved earns beyond the usual price
    saving, day = 2.25 * GBP_YEN, 1440.0
    first, second = opted_in(twice, day, 1.0), opted_in(twice, day, weighing([1, 0, 0, 1, 0, 0, 0] * 4))
    short, long = opted_in(saving, 0.0), opted_in(saving, day)
    rest, pressed = opted_in(saving, day, weighing([1] * 7 + [0] * 21)), opted_in(saving, day, weighing([1] * 7))
    fresh = opted_in(saving, day, 0.0)
    week, idle = [1] * 7, [0] * 21
    first_appeal, seventh, again = (helped(weighing(days)) for days in ([0], [*week[:6], 0], week + idle))
    cpp, sessions = "Keihanna, Kitakyushu [1] [M]", "Saving Sessions [2] [S]"
    return [
        Finding("peak load at twice the price", "-9 to -14 %", cpp, -100 * DEPTH * opted_in(twice, day), -15.0, -8.0),
        Finding("at four times the price", "-9 to -14 %", cpp, -100 * DEPTH * opted_in(four, day), -15.0, -8.0),
        Finding("more of it at four times than at twice", "little", cpp,
                100 * DEPTH * (opted_in(four, day) - opted_in(twice, day)), 0.2, 4.0),
        Finding("load of all invited at 2.25 GBP/kWh", "-10 %", sessions, -100 * DEPTH * long, -15.0, -7.5),
        Finding("opt-in to one event", "20-40 %", "voluntary schemes [S]", 100 * long, 20.0, 40.0),
        Finding("opt-in lost at short notice", "about a quarter", sessions, 100 * (1 - short / long), 15.0, 35.0),
        Finding("second summer, two calls a week, below a first call", "weaker", cpp,
                100 * (1 - second / first), 2.0, 25.0),
        Finding("seven calls in seven days, below the first", "fades", "appeals [1] [M]",
                100 * (1 - pressed / fresh), 8.0, 40.0),
        Finding("of that, back after three weeks of rest", "recovers", "appeals [1] [M]",
                100 * (rest - pressed) / (fresh - pressed), 80.0, 100.0),
        Finding("peak load at a first appeal", "-8 %", "Keihanna [1] [M]", -100 * DEPTH * first_appeal, -10.0, -6.0),
        Finding("seven appeals in seven days: the last, below the first", "diminishes quickly", "Keihanna [1] [S]",
                100 * (1 - seventh / first_appeal), 50.0, 95.0),
        Finding("and after three weeks of rest, of the first", "restored", "Keihanna [1] [S]",
                100 * again / first_appeal, 80.0, 100.0),
        Finding("automated homes that stay in the scheme", "above 90 %", "opt-out schemes [S]",
                100 * float((minds(IncentiveConfig(), 1.0)[PARAMS.MIND] > -1e5).mean()), 90.0, 99.0),
        Finding("EV owners who move charging for 15 yen/kWh [A]", "18 of 41 points: 44 %", "off-peak reward [S]",
                100 * cars_moved(15.0), 30.0, 60.0),
        Finding("and for nothing", "gone when the pay stops", "off-peak reward [S]", 100 * cars_moved(0.0), 0.0, 0.0),
        Finding("commanded homes that opt out for three hours", "2-5 %", "the coin of `membership` [A]",
                opted_out(), 1.5, 5.0),
        Finding("of those with all comfort at stake", "more", "[A]", opted_out(stake=1.0), 3.0, 12.0),
        Finding("after seven calls in seven days", "more", "[A]", opted_out(calls=weighing([1] * 7)), 2.0, 8.0),
    ]  # fmt: skip


def opted_out(stake: float | None = None, calls: float | None = None, seed: int = 3) -> float:
    """Return the share of homes that take no commands for three hours, %, where their classes' share is 2 %.

    Parameters
    ----------
    stake : float, optional
        Comfort at stake, 0..1. Default: the usual one.
    calls : float, optional
        Calls that still weigh for everybody; default: as drawn, those of ``calls_per_week``.
    seed : int
        Of the homes' luck.
    """
    config, random = DispatchConfig(), np.random.default_rng(seed)
    keys = random.integers(2**32, size=(1, 4), dtype=np.uint32)
    n, cfg = 10 * N, dispatch_constants(config)
    params = np.zeros((1, HOME_PARAMS.N, n), F4)
    draw_homes(0, 1, 1, np.ones(1, bool), keys, np.arange(n, dtype=np.uint32)[None], cfg, params)
    kinds, before, _ = params[0]
    tired = before if calls is None else np.full(n, calls, F4)
    at_stake = F4(config.usual_stake if stake is None else stake)
    base = F4(config.base(DEVICES["battery"].traits.opt_out_share))
    weights = (cfg[OPTING.STAKE_WEIGHT], cfg[OPTING.TIRED_WEIGHT], cfg[OPTING.PAY])
    u = random.uniform(1e-6, 1 - 1e-6, n).astype(F4)
    out = [opts_out(x, base, at_stake, k, type_, *weights) for x, k, type_ in zip(u, tired, kinds, strict=True)]
    return 100.0 * float(np.mean(out))


def cars_moved(pay_yen_kwh: float) -> float:
    """Return the part of EV owners' swing that is given at a pay, with four hours to spare; see `choice.sold`."""
    config, terms = IncentiveConfig(), DEVICES["ev"].owner
    params = minds(config, terms.automated_share)
    agent, factor = params[PARAMS.AUTOMATED] > 0, params[PARAMS.FACTOR]
    ask = 3.0 / (1.0 - 1.0 / 3.0)  # deferred_yen_kwh over the part of six hours that is left
    part = np.clip((pay_yen_kwh - ask * factor - terms.hassle_yen_kwh) / terms.span_yen_kwh, 0.0, 1.0)
    stays = params[PARAMS.MIND] > -1e5
    people = opted_in(pay_yen_kwh, 0.0, stake=1.0 / 3.0)
    return float((part * np.where(agent, stays, people)).mean())


def table() -> str:
    """Return the figures as a table in Markdown."""
    lines = ["| finding | trials | source | model | held within |", "|---|---|---|---|---|"]
    for each in findings():
        lines.append(
            f"| {each.what} | {each.found} | {each.source} | {each.model:.1f} {each.unit} | "
            f"{each.low:g} .. {each.high:g} |"
        )
    return "\n".join(lines)


def page(text: str) -> str:
    """Return the page with its figures written anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


if __name__ == "__main__":
    write_text(PAGE, page(PAGE.read_text(encoding="utf-8")))
    print(table())
