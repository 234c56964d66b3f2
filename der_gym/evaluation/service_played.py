"""The result of one service of a play."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from der_gym.evaluation.recorder import BY_SERVICE
from der_gym.services.base import OUTCOME
from der_gym.simulation.service_session import ServiceSession

Array = np.ndarray


@dataclass(frozen=True)
class ServicePlayed:
    """The result of one service on ``n`` seeds.

    Attributes
    ----------
    outcome : float64 (n, n_period, n_column)
        See `services.base.OUTCOME_ROWS`.
    award_kw : float64 (n, n_period)
        Commitment of each period.
    window_kw : float64 (n, 2, n_window)
        Least and greatest mean of the target over the allowed lags.
    accuracy, mae_share : float64 (n,)
        Skill and error.
    band_share : float
        Half the width of the tolerance, as a share of the commitment.
    leaf_weight : float64 (n_leaf,)
        Part of each leaf that the service's node holds, 0..1.
    leaf_obeys : bool (n_leaf,)
        Whether it obeys commands; the owners of others are offered pay.
    plan_kw, target_kw, true_kw, metered_kw, seen_kw : float32 (n, n_minute)
        Of the service's node; see `Trace`.
    """

    outcome: Array
    award_kw: Array
    window_kw: Array
    accuracy: Array
    mae_share: Array
    band_share: float
    leaf_weight: Array
    leaf_obeys: Array
    plan_kw: Array
    target_kw: Array
    true_kw: Array
    metered_kw: Array
    seen_kw: Array

    @staticmethod
    def of(session: ServiceSession, rows: Mapping[str, Array], obeys: Sequence[bool]) -> ServicePlayed:
        """Return copies of what a session holds at the end of its episodes.

        Parameters
        ----------
        session : ServiceSession
        rows : mapping of str to float32 (n, n_minute)
            Its `BY_SERVICE`, as the recorder had them.
        obeys : sequence of bool
            Which leaves obey commands.
        """
        s = session.service
        kept = (s.outcome.copy(), s.period_award_kw().copy(), s.window_kw.copy(), s.skill(), s.mae_share())
        leaves = (session.leaf_weight.copy(), np.array(obeys, dtype=bool))
        return ServicePlayed(*kept, s.band_share, *leaves, **rows)

    @staticmethod
    def join(parts: Sequence[ServicePlayed]) -> ServicePlayed:
        """Return several batches as one."""
        names = ("outcome", "award_kw", "window_kw", "accuracy", "mae_share", *BY_SERVICE)
        whole = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
        leaves = {"leaf_weight": parts[0].leaf_weight, "leaf_obeys": parts[0].leaf_obeys}
        return ServicePlayed(**whole, **leaves, band_share=parts[0].band_share)

    @property
    def passed(self) -> Array:
        """Return 1, 0 or NaN (never judged) per period, (n, n_period)."""
        verdict: Array = self.outcome[:, :, OUTCOME.PASSED]
        return verdict
