"""The measures of every seed of a played controller, and their summary in a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from der_gym.devices import DEVICES
from der_gym.devices.base import Register
from der_gym.env.reward.reward import TERMS
from der_gym.evaluation.play import Played
from der_gym.services.base import OUTCOME

F8 = NDArray[np.float64]
BIN_MIN = 5  # minutes over which plan errors are averaged


@dataclass(frozen=True)
class EvalContext:
    """The inputs of the measures beside a play: the twin and the registered size.

    Attributes
    ----------
    idle : Played
        The twin: the same seeds without commands.
    nominal_kw : float
        Rated swing of the list: the registered kW.
    n_device : int
    """

    idle: Played
    nominal_kw: float
    n_device: int


@dataclass(frozen=True)
class Measure:
    """One column: its name carries the unit; ``of(played, facts) -> (n_seed,)``."""

    name: str
    title: str
    of: Callable[[Played, EvalContext], F8]


def _awarded(played: Played) -> NDArray[np.bool_]:
    on: NDArray[np.bool_] = played.award_kw > 0
    return on


def _sum(played: Played, column: int) -> F8:
    total: F8 = played.outcome[:, :, column].sum(axis=1, where=_awarded(played))
    return total


def _ratio(over: F8, under: F8) -> F8:
    share: F8 = np.divide(over, under, out=np.zeros_like(over), where=under > 0)
    return share


def pass_rate(played: Played) -> F8:
    """Return the share of awarded blocks that passed, (n,)."""
    judged = ~np.isnan(played.passed)
    return _ratio(np.where(judged, played.passed, 0.0).sum(axis=1), judged.sum(axis=1).astype(np.float64))


def profit_yen(played: Played) -> F8:
    """Return the total of the ledger without what a lock-out costs on later days, yen (n,)."""
    yen: F8 = played.yen("total") - played.yen("lockout")
    return yen


def plan_error_share(played: Played, twin: Played) -> F8:
    """Return the sd of 5-minute means of plan - twin's power in awarded blocks over the mean award, (n,).

    Parameters
    ----------
    played, twin : Played
        Of a controller and of an idle group on the same n seeds.
    """
    error = (played.trace.plan_kw - twin.trace.true_kw).astype(np.float64)
    means = error.reshape(len(error), -1, BIN_MIN).mean(axis=2)
    on = np.repeat(_awarded(played), means.shape[1] // played.award_kw.shape[1], axis=1)
    award = _ratio(played.award_kw.sum(axis=1), _awarded(played).sum(axis=1).astype(np.float64))
    on = on | ~on.any(axis=1, keepdims=True)  # without an award the ratio is 0 whatever the error
    return _ratio(np.std(means, axis=1, where=on), award)


def abandoned_share(played: Played) -> F8:
    """Return abandoned blocks over failed ones, (n,); 0 where none failed."""
    failed = (played.passed == 0.0).sum(axis=1).astype(np.float64)
    return _ratio(_sum(played, OUTCOME.ABANDONED), failed)


def home_quantile(per_home: NDArray[np.float32], q: float) -> F8:
    """Return each seed's quantile over homes, (n,); 0 where there is no such home.

    Parameters
    ----------
    per_home : float32 (n, n_home)
    q : float
        0..1.
    """
    if not per_home.shape[1]:
        return np.zeros(len(per_home))
    found: F8 = np.quantile(per_home.astype(np.float64), q, axis=1)
    return found


MEASURES: tuple[Measure, ...] = (
    Measure("reward", "sum over the episode, of the scenario's variant", lambda p, f: p.reward),
    Measure("reward_ledger", "under variant ledger: yen over the yardstick's, the whole lock-out, comfort at its price",
            lambda p, f: p.by_variant["ledger"]),
    Measure("reward_shared", "under variant shared: money, accuracy and comfort", lambda p, f: p.by_variant["shared"]),
    Measure("reward_relative", "under variant relative: shared less that of an idle group on the same seed",
            lambda p, f: p.by_variant["shared"] - f.idle.by_variant["shared"]),
    Measure("reward_money", "its yen: ledger, share of the lock-out, debt",
            lambda p, f: p.terms[:, [TERMS.MONEY, TERMS.LOCKOUT, TERMS.DEBT]].sum(axis=1)),
    Measure("reward_accuracy", "its skill of the response", lambda p, f: p.terms[:, TERMS.ACCURACY]),
    Measure("reward_comfort", "its harm to the homes", lambda p, f: p.terms[:, TERMS.COMFORT]),
    Measure("profit_yen", "total of the aggregator's ledger without a lock-out", lambda p, f: profit_yen(p)),
    Measure("profit_with_lockout_yen", "that and the margin lost while bids are locked", lambda p, f: p.yen("total")),
    Measure("yen_per_registered_kw", "profit over its rated swing", lambda p, f: profit_yen(p) / f.nominal_kw),
    Measure("yen_per_registered_kw_with_lockout", "profit with the lock-out over its rated swing",
            lambda p, f: p.yen("total") / f.nominal_kw),
    Measure("penalty_yen", "penalties booked (lock-out apart)", lambda p, f: -p.yen("penalty")),
    Measure("pass_rate", "awarded blocks that passed", lambda p, f: pass_rate(p)),
    Measure("accuracy", "1 - sum|error| / sum|error of an idle group|, all samples", lambda p, f: p.accuracy),
    Measure("mae_share", "mean |response - target| over award", lambda p, f: p.mae_share),
    Measure("signed_error_share", "mean (response - target) over award; + is too much",
          lambda p, f: _ratio(_sum(p, OUTCOME.MEAN_ERROR_KW), p.award_kw.sum(axis=1))),
    Measure("plan_error_share", "sd of plan - twin's power, 5-minute means, over award",
          lambda p, f: plan_error_share(p, f.idle)),
    Measure("yield_share", "delivered over requested kWh in awarded blocks",
          lambda p, f: _ratio(_sum(p, OUTCOME.DELIVERED_KWH), _sum(p, OUTCOME.REQUESTED_KWH))),
    Measure("abandoned_share", "failed blocks in which the group gave up", lambda p, f: abandoned_share(p)),
    Measure("judged_share", "judged windows over all of awarded blocks", lambda p, f: p.judged_share),
    Measure("true_minus_metered_kwh", "drawn in truth less drawn by the meter, awarded blocks",
          lambda p, f: _sum(p, OUTCOME.TRUE_MINUS_METERED_KWH)),
    Measure("messages_per_unit", "messages to a unit in the episode, those of standby apart",
            lambda p, f: p.messages / f.n_device),
    Measure("debt_kwh", "what classes lack for their next need at the end", lambda p, f: p.debt_kwh),
    Measure("discharged_kwh", "energy that stores gave in the episode", lambda p, f: p.discharged_kwh),
    Measure("starts", "starts of compressors, and stops of cars on command, in the episode", lambda p, f: p.starts),
)  # fmt: skip


def measure(played: Played, facts: EvalContext) -> dict[str, F8]:
    """Return every measure of a play by name, float64 (n_seed,) each; of several services also each one's own.

    Parameters
    ----------
    played : Played
    facts : EvalContext
        What all controllers of the comparison share.
    """
    found = {m.name: np.asarray(m.of(played, facts), dtype=np.float64) for m in MEASURES} | home_measures(played)
    found |= offer_measures(played, facts.idle) if played.offers else {}
    return found | (service_measures(played) if len(played.services) > 1 else {})


OFFER_TITLES = {
    "offer_yen": "paid to owners for their answers to offers",
    "offer_paid_kwh": "energy that owners were paid for, by their own baselines",
    "offer_useful_kwh": "of it, what the twin without offers shows to be an answer, half hour by half hour",
    "offer_free_kwh": "of it, the rest: free riders and errors of baselines",
    "offer_rebound_kwh": "energy that came back in half hours in which the group drew the other way",
    "offer_yen_per_useful_kwh": "pay over useful energy",
    "offer_calls": "events to which people were called",
    "offer_opted_in": "rated power whose owners take part in the last event at the episode's end",
}


def offer_measures(played: Played, twin: Played) -> dict[str, F8]:
    """Return the energy that offers paid for, what it was worth and what came back, float64 (n_seed,) each.

    Useful energy is the node's difference to the twin in a half hour, up to what was paid for in it: answers are all
    that differs between the two. With commands beside offers it may be theirs, so it is an upper bound there.

    Parameters
    ----------
    played, twin : Played
        The same seeds, with and without offers.
    """
    paid, way = played.offers["paid_kwh"], played.offers["way"][:, None]
    drawn = (twin.trace.true_kw - played.trace.true_kw).astype(np.float64)
    less_kwh = way * drawn.reshape(*paid.shape, -1).mean(axis=2) * 0.5
    useful = np.minimum(np.maximum(less_kwh, 0.0), paid).sum(axis=1)
    yen = -played.yen("incentive")
    return {
        "offer_yen": yen,
        "offer_paid_kwh": paid.sum(axis=1),
        "offer_useful_kwh": useful,
        "offer_free_kwh": paid.sum(axis=1) - useful,
        "offer_rebound_kwh": np.maximum(-less_kwh, 0.0).sum(axis=1),
        "offer_yen_per_useful_kwh": _ratio(yen, useful),
        "offer_calls": played.offers["calls"],
        "offer_opted_in": played.offers["opted_in"],
    }


QUANTILES = {
    "p50": (0.5, "the median home's"),
    "p95": (0.95, "the 95th of 100 homes'"),
    "worst": (1.0, "the worst home's"),
}


def home_measures(played: Played) -> dict[str, F8]:
    """Return the losses of homes, to 24 h after the end, (n_seed,) by register; those judged by home with quantiles."""
    found: dict[str, F8] = {name: np.asarray(total, dtype=np.float64) for name, total in played.summed.items()}
    for name, homes in played.by_home.items():
        found[name] = homes.astype(np.float64).sum(axis=1)
        found |= {f"{name}_{key}": home_quantile(homes, q) for key, (q, _) in QUANTILES.items()}
    return found


def titles() -> dict[str, str]:
    """Return a line on each measure by name, those of all registered device classes too."""
    found = {m.name: m.title for m in MEASURES} | OFFER_TITLES
    for register, declared in shown_registers().items():
        found[register] = f"{declared.meaning}, to 24 h after the end"
        if declared.by_home:
            found |= {f"{register}_{key}": words for key, (_, words) in QUANTILES.items()}
    return found


def shown_registers() -> dict[str, Register]:
    """Return the registers of all classes that scoreboards show."""
    every = [item for name in DEVICES for item in DEVICES[name].meters.items()]
    return {name: register for name, register in every if register.harm or register.shown}


def service_measures(played: Played) -> dict[str, F8]:
    """Return each service's passed share (NaN: nothing is judged), accuracy, penalty and yen, float64 (n_seed,)."""
    found: dict[str, F8] = {}
    for name, own in played.services.items():
        judged = ~np.isnan(own.passed)
        passed = np.where(judged, own.passed, 0.0).sum(axis=1)
        key = name.replace("-", "_")
        rate = _ratio(passed, judged.sum(axis=1).astype(np.float64))
        found[f"{key}_pass_rate"] = rate if judged.any() else np.full_like(rate, np.nan)
        found[f"{key}_accuracy"] = own.accuracy
        found[f"{key}_penalty_yen"] = -played.yen(f"{key}_penalty")
        lines = [k for k, line in enumerate(played.lines) if line.startswith(f"{key}_")]
        found[f"{key}_yen"] = played.ledger_yen[:, lines].sum(axis=1)
    return found
