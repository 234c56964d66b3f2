"""The request of the market: kW per 5-minute bin within each block's award.

Two generated requests and one from a file. Both generators keep a floor under the request, so that a group that does
nothing never passes a block for free; ``floor_share: 0`` takes it away.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from der_gym.core.errors import InputError
from der_gym.engine.compile import kernel
from der_gym.signals.request_file import OwnRequest, RequestSeries, cut_to_award, load_request
from der_gym.signals.series import decay
from der_gym.signals.table import STEP_S as BIN_S

__all__ = [
    "OwnRequest",
    "RequestConfig",
    "RequestSeries",
    "cut_to_award",
    "edc_request",
    "load_request",
    "simple_mean_share",
    "simple_request",
]

F8 = npt.NDArray[np.float64]

BIN_PER_BLOCK = 6
_SAMPLE_WORLDS, _SAMPLE_BLOCKS, _HALVINGS = 400, 8, 12  # the mean is then right to about 0.01
_DEEP_SHARE = 0.5  # mean of Beta(2, 2)


class RequestConfig(BaseModel):
    """Level and movement of the request. Shares are of the block's award."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    mean_share: float = Field(0.30, gt=0, lt=1, description="[A] mean request of the EDC signal over many worlds")
    floor_share: float = Field(0.2, ge=0, lt=0.6, description="[A] floor_bins of each block lie above it")
    floor_bins: int = Field(3, ge=0, le=BIN_PER_BLOCK, description="[A] how many of a block's six bins")
    floor_spread: float = Field(0.5, gt=0, le=1, description="[A] a lifted bin lies in floor * (1 .. 1 + spread)")
    volatility: float = Field(0.25, gt=0, le=1, description="[A] sd of the share before it is held within 0..1")
    tau_s: float = Field(900.0, ge=60, le=7200, description="[A] memory of a world's own part (OU, 15 min)")
    residual_weight: float = Field(
        0.7, ge=0, le=1, description="[A] part of the date's net-load residual; rest own luck"
    )
    ramp_share: float = Field(
        1 / 3, gt=0, le=1, description="[S] largest step per bin: award / response time of 15 min"
    )
    activation_probability: float = Field(0.15, ge=0, le=1, description="[A] of a block, simple command; 0.1-0.3")

    @model_validator(mode="after")
    def _reachable(self) -> RequestConfig:
        highest = self.floor_share * (1.0 + self.floor_spread)
        if highest > self.ramp_share:
            raise ValueError(
                f"floor_share * (1 + floor_spread) = {highest:.3f} is above ramp_share {self.ramp_share:.3f}"
            )
        if self.mean_share < 0.5 * self.floor_bins / BIN_PER_BLOCK * highest:
            raise ValueError(
                f"mean_share {self.mean_share} is too small for {self.floor_bins} bins above {self.floor_share}"
            )
        return self


def edc_request(
    residual: npt.NDArray[np.float32], award_kw: F8, config: RequestConfig, generators: list[np.random.Generator]
) -> F8:
    """Return an economic-dispatch target per 5-minute bin.

    The share called is an Ornstein-Uhlenbeck process, ``centre + volatility * (w * residual + sqrt(1 - w^2) * own)``,
    held within 0..1 and within ``ramp_share`` per bin from 0 before the first awarded bin; then the ``floor_bins``
    highest bins of each block are lifted above ``floor_share``. The centre is such that the mean is ``mean_share``.

    Parameters
    ----------
    residual : float32 (W, n_bin)
        Net-load residual of the bins, unit variance; positive asks for more.
    award_kw : float64 (W, n_block)
        Reserved kW of each 30-minute block, >= 0; ``n_bin = 6 n_block``.
    config : RequestConfig
    generators : list of W Generators
        Each world draws from its own only, so its place in the batch is of no matter.

    Returns
    -------
    float64 (W, n_bin)
        kW in 0 .. the block's award; 0 in unawarded blocks. The step at a block's edge follows the change of award.

    Raises
    ------
    InputError
        Where shapes do not fit or an award is negative or not finite.

    Notes
    -----
    Known error: one mean for all hours; a real target also follows price and merit order. The mean of a single day's
    worlds departs from ``mean_share`` with the residual of that day.
    """
    award = _award(award_kw, len(generators))
    n_bin = award.shape[1] * BIN_PER_BLOCK
    if residual.shape != (len(generators), n_bin):
        raise InputError(f"residual: shape {residual.shape}; allowed: ({len(generators)}, {n_bin}), six bins per block")
    luck = np.stack([generator.standard_normal(n_bin) for generator in generators])
    lift = np.stack([generator.random(award.shape[1]) for generator in generators])
    awarded = np.repeat(award > 0.0, BIN_PER_BLOCK, axis=1)
    share = _shares(residual.astype(np.float64), luck, lift, awarded, config, _centre(config))
    return np.asarray(share * np.repeat(award, BIN_PER_BLOCK, axis=1), np.float64)


def simple_request(award_kw: F8, config: RequestConfig, generators: list[np.random.Generator]) -> F8:
    """Return one kW per block: the simple command.

    A block is activated with ``activation_probability``; its depth is then Beta(2, 2) of what lies above the floor.
    Without activation the request stays just above the floor (0 where ``floor_share`` is 0). The mean is
    ``simple_mean_share(config)``, 0.30 of the award by default; ``mean_share`` is not used.

    Parameters
    ----------
    award_kw : float64 (W, n_block)
    config : RequestConfig
    generators : list of W Generators

    Returns
    -------
    float64 (W, 6 n_block)
        kW in 0 .. award, equal in the six bins of a block.
    """
    award = _award(award_kw, len(generators))
    luck = np.stack([generator.random((award.shape[1], 5)) for generator in generators])
    beta = np.sort(luck[:, :, :3], axis=2)[:, :, 1]  # the middle of three uniforms is Beta(2, 2)
    floor = config.floor_share
    active = luck[:, :, 3] < config.activation_probability
    share = np.where(active, floor + (1.0 - floor) * beta, floor * (1.0 + config.floor_spread * luck[:, :, 4]))
    return np.asarray(np.repeat(share * award, BIN_PER_BLOCK, axis=1), np.float64)


def simple_mean_share(config: RequestConfig) -> float:
    """Return the mean of ``simple_request`` over the award."""
    floor, p = config.floor_share, config.activation_probability
    deep, calm = floor + (1.0 - floor) * _DEEP_SHARE, floor * (1.0 + config.floor_spread / 2.0)
    return p * deep + (1.0 - p) * calm


def _award(award_kw: F8, n_world: int) -> F8:
    award = np.asarray(award_kw, np.float64)
    if award.ndim != 2 or award.shape[0] != n_world:
        raise InputError(f"award_kw: shape {award.shape}; allowed: ({n_world}, n_block), one generator per world")
    if not np.isfinite(award).all() or (award < 0.0).any():
        raise InputError(f"award_kw: {award.min()}..{award.max()}; allowed: finite and at least 0")
    return award


def _shares(
    residual: F8, luck: F8, lift: F8, awarded: npt.NDArray[np.bool_], config: RequestConfig, centre: float
) -> F8:
    """Return the share called (W, n_bin), 0 where ``awarded`` is False."""
    phi = decay(BIN_S, config.tau_s)
    fresh, share = np.sqrt(1.0 - phi * phi) * luck, np.empty_like(luck)
    fresh[:, 0] = luck[:, 0]
    weights = (config.residual_weight, float(np.sqrt(1.0 - config.residual_weight**2)))
    given = (np.ascontiguousarray(residual), fresh, awarded, share)
    walk_shares(0, len(luck), phi, centre, config.volatility, *weights, config.ramp_share, *given)
    return np.where(awarded, _lifted(share, lift, config), 0.0)


@kernel
def walk_shares(  # type: ignore[no-untyped-def]
    w0, w1, phi, centre, volatility, weight, own_weight, ramp_share, residual, fresh, awarded, share
):
    """Let each world's wish wander, and its share follow within the ramp; 0 where nothing is awarded.

    Parameters
    ----------
    w0, w1 : int
        Range of worlds.
    phi : float
        Part of the wish that stays from one bin to the next.
    centre, volatility, weight, own_weight, ramp_share : float
        See `RequestConfig`.
    residual, fresh : float64 (n_world, n_bin)
        The area's imbalance; what is new in the wish, its first value whole.
    awarded : bool (n_world, n_bin)
    share : float64 (n_world, n_bin)
        Out, 0..1.
    """
    for w in range(w0, w1):
        own = now = 0.0
        for i in range(share.shape[1]):
            own = phi * own + fresh[w, i]
            wanted = centre + volatility * (weight * residual[w, i] + own_weight * own)
            step = min(max(wanted, now - ramp_share), now + ramp_share)
            now = min(max(step, 0.0), 1.0) if awarded[w, i] else 0.0
            share[w, i] = now


def _lifted(share: F8, lift: F8, config: RequestConfig) -> F8:
    """Return shares whose ``floor_bins`` highest bins of each block are above the floor."""
    blocks = share.reshape(len(share), -1, BIN_PER_BLOCK)
    rank = np.argsort(np.argsort(-blocks, axis=2, kind="stable"), axis=2, kind="stable")
    low = config.floor_share * (1.0 + config.floor_spread * np.maximum(lift, 1e-3))[:, :, None]
    return np.where(rank < config.floor_bins, np.maximum(blocks, low), blocks).reshape(share.shape)


@lru_cache(maxsize=64)
def _centre(config: RequestConfig) -> float:
    """Return the centre that gives ``mean_share``, by bisection on one fixed sample of worlds."""
    generator = np.random.Generator(np.random.Philox(key=0))
    shape = (_SAMPLE_WORLDS, _SAMPLE_BLOCKS * BIN_PER_BLOCK)
    luck, lift = generator.standard_normal(shape), generator.random((_SAMPLE_WORLDS, _SAMPLE_BLOCKS))
    residual, awarded = _sample_residual(generator.standard_normal(shape), config.tau_s), np.ones(shape, np.bool_)
    low, high = -1.0, 2.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        mean = _shares(residual, luck, lift, awarded, config, middle).mean()
        low, high = (middle, high) if mean < config.mean_share else (low, middle)
    return (low + high) / 2.0


def _sample_residual(luck: F8, tau_s: float) -> F8:
    phi = decay(BIN_S, tau_s)
    series = luck.copy()
    for i in range(1, luck.shape[1]):
        series[:, i] = phi * series[:, i - 1] + np.sqrt(1.0 - phi * phi) * luck[:, i]
    return series
