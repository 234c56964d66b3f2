"""Membership: which devices are enrolled, which leave, and whose owners take no commands for a while."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from der_gym.devices.base import DeviceConfig
from der_gym.devices.meter import device_gain
from der_gym.engine.compile import kernel
from der_gym.engine.schema import Table
from der_gym.engine.tables import FLEET
from der_gym.numerics import rng

OPT_OUT_SLOT_S = 10_800  # an owner decides for three hours at a time

_JOIN = rng.stream("behaviour.join")
_LEAVE = rng.stream("behaviour.leave")
_OPT_OUT = rng.stream("behaviour.opt_out")
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
_FAR, _TO_DRAW = np.float32(100.0), np.float32(-1.0)

SETTINGS = Table(
    "membership.cfg",
    "float32 (4,): settings that `update_membership` reads",
    """
    late_share  | - | engine | units that join only during the episode
    leave_share | - |        | units that drop out during the episode
    horizon_s   | s |        | length of an episode
    tolerance   | - |        | of the meters
    """,
)


class MembershipConfig(DeviceConfig):
    """Joining, leaving, opting out, and the meters' tolerance."""

    late_share: float = Field(0.01, ge=0, le=1, description="units that join only during the episode [A]")
    leave_share: float = Field(0.005, ge=0, le=1, description="units that drop out during the episode [A]")
    opt_out_share: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(
        default_factory=dict,
        description="class: chance per three hours that an owner takes no commands; else the class's own (traits)",
    )
    meter_tolerance: float = Field(0.02, ge=0, le=0.2, description="tolerance class of the meters, .009 to .10 [S]")
    kinds: tuple[str, ...] = Field(
        ("dispatch",), description="message kinds that devices understand beside those that the action's heads make"
    )

    def constants(self, horizon_s: float) -> np.ndarray:
        """Return the settings that `update_membership` reads, float32 (4,)."""
        return np.array([self.late_share, self.leave_share, horizon_s, self.meter_tolerance], dtype=np.float32)


@kernel
def update_membership(s0, s1, n_shard, active, keys, uid, present, abs_s, t_s, cfg, opt_out, lo, hi, fleet):  # type: ignore[no-untyped-def]
    """Set METER_GAIN and ACCEPTS_COMMANDS of one class at a full half hour: units join and leave then.

    Parameters
    ----------
    present : uint8 (n_shard, N)
        0 for padding.
    t_s : float64 (n_world,)
        Seconds of the episode.
    cfg : float32 (4,)
        See ``MembershipConfig.constants``.
    opt_out : float32
        Chance per three-hour slot that the owner takes no commands.
    """
    for s in range(s0, s1):
        w, p = s // n_shard, s % n_shard
        if not active[w]:
            continue
        f0, f1, k0, k1 = keys[w, 0], keys[w, 1], keys[w, 2], keys[w, 3]
        now, slot = np.float32(t_s[w]), np.uint32(abs_s[w] // OPT_OUT_SLOT_S)
        ids, real = uid[p, lo:hi], present[p, lo:hi]
        gain, takes = fleet[s, FLEET.METER_GAIN, lo:hi], fleet[s, FLEET.ACCEPTS_COMMANDS, lo:hi]
        late, leave = cfg[SETTINGS.LATE_SHARE], cfg[SETTINGS.LEAVE_SHARE]
        horizon, tolerance = cfg[SETTINGS.HORIZON_S], cfg[SETTINGS.TOLERANCE]
        for i in range(hi - lo):
            u = rng.quick_uniform(k0, k1, ids[i], _JOIN, np.uint32(0))
            v = rng.quick_uniform(k0, k1, ids[i], _JOIN, np.uint32(1))
            x = rng.quick_uniform(k0, k1, ids[i], _LEAVE, np.uint32(0))
            y = rng.quick_uniform(k0, k1, ids[i], _LEAVE, np.uint32(1))
            stays = rng.quick_uniform(k0, k1, ids[i], _OPT_OUT, slot) >= opt_out
            joins = v * horizon if u < late else -_ONE
            leaves = y * horizon if x < leave else _FAR * horizon
            inside = (_ONE if (joins <= now) & (now < leaves) else _ZERO) * np.float32(real[i])
            known = gain[i] if gain[i] > _ZERO else _TO_DRAW
            gain[i] = known if inside > _ZERO else _ZERO
            takes[i] = inside if stays else _ZERO
        for i in range(hi - lo):  # few join, and what a meter errs by stays
            if gain[i] == _TO_DRAW:
                gain[i] = device_gain(f0, f1, ids[i], tolerance)
