"""What owners are: drawn once from the fleet's key, by the address of the home, so that one owner has one mind."""

from __future__ import annotations

import numpy as np

from der_gym.devices.owners.config import OWN
from der_gym.engine.compile import kernel, scalar
from der_gym.engine.schema import Table
from der_gym.numerics import approx, rng

WHO = rng.stream("owner.who")
_CALLS = rng.stream("owner.calls")
_0, _1 = np.float32(0.0), np.float32(1.0)
_NEVER = np.float32(-1e6)  # a logit of someone who never answers

PARAMS = Table(
    "owners.params",
    "float32 (S, N, n_place): what owners are",
    """
    automated      | -       | truth | 1 where a home's agent answers, 0 where a person does
    mind           | -       |       | type: logit of opting in; of those who never do -1e6
    factor         | -       |       | what she asks over the cost of her device
    hassle_yen_kwh | yen/kWh |       | that she wants beside it
    span_yen_kwh   | yen/kWh |       | from nothing to all of the swing
    calls_before   | -       |       | calls before the episode that still weigh
    """,
)


@scalar
def owner(k0, k1, uid, own):  # type: ignore[no-untyped-def]
    """Return (automated, mind, factor, calls before) of the owner of a home.

    Calls before are exponential around their mean. One normal is behind mind and factor: who asks more opts in less.
    """
    u_auto, u_type, u_never, u_calls = rng.uniform4(k0, k1, uid, WHO, np.uint32(0), np.uint32(0))
    automated = _1 if u_auto < own[OWN.AUTOMATED_SHARE] else _0
    z = approx.normal_quantile(u_type)
    lost = own[OWN.OPTED_OUT_SHARE] if automated > _0 else own[OWN.NEVER_SHARE]
    mind = _NEVER if u_never < lost else own[OWN.TYPE_SIGMA] * z
    factor = approx.exp(-own[OWN.ASK_SIGMA] * z)
    calls = -approx.log(u_calls) * own[OWN.TIRED_MEAN]
    return automated, mind, factor, calls


@kernel
def draw_owners(s0, s1, n_shard, active, keys, uid, own, lo, hi, params):  # type: ignore[no-untyped-def]
    """Draw the owners of one class's places ``lo .. hi``.

    Parameters
    ----------
    uid : uint32 (n_shard, N)
        Address of each device's home.
    own : float32 (OWN.N,)
    params : float32 (S, PARAMS.N, N)
        Out.
    """
    for s in range(s0, s1):
        w, p = s // n_shard, s % n_shard
        if active[w]:
            for i in range(lo, hi):
                automated, mind, factor, calls = owner(keys[w, 0], keys[w, 1], uid[p, i], own)
                params[s, PARAMS.AUTOMATED, i], params[s, PARAMS.MIND, i] = automated, mind
                params[s, PARAMS.FACTOR, i], params[s, PARAMS.CALLS_BEFORE, i] = factor, calls
                params[s, PARAMS.HASSLE_YEN_KWH, i] = own[OWN.HASSLE_YEN_KWH]
                params[s, PARAMS.SPAN_YEN_KWH, i] = own[OWN.SPAN_YEN_KWH]
