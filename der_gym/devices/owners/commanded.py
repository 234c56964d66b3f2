"""Owners who are commanded: kernels of one mind for each home, over all its devices; see `opting`."""

from __future__ import annotations

import numpy as np

from der_gym.devices.membership import OPT_OUT_SLOT_S
from der_gym.devices.owners.draws import WHO
from der_gym.devices.owners.opting import CFG, NEVER, opts_out, takes_back
from der_gym.devices.owners.terms import ASKED
from der_gym.engine.compile import kernel, part
from der_gym.engine.schema import Table
from der_gym.engine.scratch import borrow, give_back
from der_gym.engine.tables import EXOGENOUS, FLEET
from der_gym.numerics import approx, rng

_OUT, _BACK = rng.stream("owner.opts_out"), rng.stream("owner.takes_back")
_0, _1 = np.float32(0.0), np.float32(1.0)
_START_S = np.float64(0.0)
_SLOT, _DAY_S, _NOON_S = np.int64(OPT_OUT_SLOT_S), np.int64(86_400), np.int64(43_200)

STAKE = np.int64(ASKED.index("stake"))

HOME_PARAMS = Table(
    "opting.params",
    "float32 (S, N, n_site): the owner of each home, as one who is commanded",
    """
    type         | - | truth | logit that stays with the owner: above 0 she opts out rarely
    calls_before | - |       | calls before the episode that still weigh
    base         | - |       | logit of the greatest share of her devices' classes
    """,
)
HOME = Table(
    "opting.state",
    "float32 (S, N, n_site): what each owner has decided",
    """
    out    | - | truth  | 1 while she takes no commands
    calls  | - |        | calls of this episode
    last_s | s |        | end of the last command; 0 none yet
    stake  | - | engine | the greatest comfort at stake among her devices
    """,
)


@kernel
def draw_homes(s0, s1, n_shard, active, keys, site_uid, cfg, params):  # type: ignore[no-untyped-def]
    """Draw owners from the fleet's key, by the luck that also makes them as those who are offered pay.

    Parameters
    ----------
    site_uid : uint32 (n_shard, n_site)
    cfg : float32 (CFG.N,)
    params : float32 (S, HOME_PARAMS.N, n_site)
        Out; BASE is that of nobody.
    """
    for s in range(s0, s1):
        w, p = s // n_shard, s % n_shard
        if active[w]:
            for i in range(site_uid.shape[1]):
                luck = rng.uniform4(keys[w, 0], keys[w, 1], site_uid[p, i], WHO, np.uint32(0), np.uint32(0))
                params[s, HOME_PARAMS.TYPE, i] = cfg[CFG.TYPE_SIGMA] * approx.normal_quantile(luck[1])
                params[s, HOME_PARAMS.CALLS_BEFORE, i] = -approx.log(luck[3]) * cfg[CFG.TIRED_MEAN]
                params[s, HOME_PARAMS.BASE, i] = NEVER


@kernel
def raise_base(s0, s1, n_shard, active, site_index, base, lo, hi, params):  # type: ignore[no-untyped-def]
    """Let the devices of a class, places ``lo .. hi``, raise their owners' BASE to ``base``, float32."""
    for s in range(s0, s1):
        p = s % n_shard
        if active[s // n_shard]:
            for i in range(lo, hi):
                at = site_index[p, i]
                params[s, HOME_PARAMS.BASE, at] = max(params[s, HOME_PARAMS.BASE, at], base)


@part
def greatest(value, takes, index, out):  # type: ignore[no-untyped-def]
    """Write the greatest ``value`` >= 0 of each home's enrolled devices into ``out``; 0 where it has none."""
    out[:] = _0
    for i in range(value.shape[0]):
        if takes[i] > _0:
            out[index[i]] = max(out[index[i]], value[i])


@kernel
def decide_homes(  # type: ignore[no-untyped-def]
    s0, s1, n_shard, active, keys, site_uid, site_index, abs_s, t_s, cfg, params, asked, back, home, fleet
):
    """Let owners decide where three hours of the clock or an episode begin, and take out who has opted out.

    It follows `membership.update_membership`, which lets all who are enrolled take commands.

    Parameters
    ----------
    active : bool (n_world,)
        Worlds at a half hour.
    site_index : int32 (n_shard, n_place)
    abs_s : int64 (n_world,); t_s : float64 (n_world,)
    params : float32 (S, HOME_PARAMS.N, n_site)
    asked : float32 (S, k, n_place)
        Its first rows are those of ASKED, with the comfort at stake.
    back : float32 (S, 1, n_place)
        1 where the owner has taken the device back.
    home : float32 (S, HOME.N, n_site)
    fleet : float32 (S, FLEET.N, n_place)
        ACCEPTS_COMMANDS is written.
    """
    for s in range(s0, s1):
        w, p = s // n_shard, s % n_shard
        if not active[w]:
            continue
        takes, index, own = fleet[s, FLEET.ACCEPTS_COMMANDS], site_index[p], home[s]
        if abs_s[w] % _SLOT == 0 or t_s[w] == _START_S:
            greatest(asked[s, STAKE], takes, index, own[HOME.STAKE])
            slot = np.uint32(abs_s[w] // _SLOT)
            for i in range(own.shape[1]):
                u = rng.quick_uniform(keys[w, 2], keys[w, 3], site_uid[p, i], _OUT, slot)
                calls = params[s, HOME_PARAMS.CALLS_BEFORE, i] + own[HOME.CALLS, i]
                leaves = opts_out(
                    u, params[s, HOME_PARAMS.BASE, i], own[HOME.STAKE, i], calls, params[s, HOME_PARAMS.TYPE, i],
                    cfg[CFG.STAKE_WEIGHT], cfg[CFG.TIRED_WEIGHT], cfg[CFG.PAY],
                )  # fmt: skip
                own[HOME.OUT, i] = _1 if leaves else _0
        for i in range(takes.shape[0]):
            if own[HOME.OUT, index[i]] > _0 or back[s, 0, i] > _0:
                takes[i] = _0


@part
def count_homes(command, takes, index, t_s, gap_s, hot, home):  # type: ignore[no-untyped-def]
    """Count a call of each home where a command is in force and none was for ``gap_s``; ``hot`` is scratch."""
    greatest(command, takes, index, hot)
    for i in range(hot.shape[0]):
        if hot[i] > _0:
            last = home[HOME.LAST_S, i]
            if last == _0 or t_s - last > gap_s:
                home[HOME.CALLS, i] += _1
            home[HOME.LAST_S, i] = t_s


@kernel
def watch_commands(  # type: ignore[no-untyped-def]
    s0, s1, n_shard, active, keys, home_uid, site_index, abs_s, ctx, cfg, mobile, asked, back, home, fleet
):
    """Count the calls of homes, and let owners of cars take them back; ``active`` worlds are at a refresh.

    Parameters
    ----------
    home_uid : uint32 (n_shard, n_place)
    mobile : uint8 (n_place,)
        1 where the device is a car.
    asked : float32 (S, k, n_place)
        Its first rows are those of ASKED, with the comfort at stake.
    back : float32 (S, 1, n_place)
        Updated: 1 from the moment on at which the owner takes the car back; 0 once nothing is at stake, it has left.
    home : float32 (S, HOME.N, n_site); fleet : float32 (S, FLEET.N, n_place)
        CALLS and LAST_S; ACCEPTS_COMMANDS.
    """
    share, from_stake = cfg[CFG.OVERRIDE_SHARE], cfg[CFG.OVERRIDE_STAKE]
    by_home, by_place = borrow(1, home.shape[2]), borrow(1, fleet.shape[2])
    hot, asks = by_home[0], by_place[0]
    for s in range(s0, s1):
        w, p = s // n_shard, s % n_shard
        if not active[w]:
            continue
        takes, command = fleet[s, FLEET.ACCEPTS_COMMANDS], fleet[s, FLEET.CMD_END]
        stake, taken = asked[s, STAKE], back[s, 0]
        t_s, night = max(ctx[w, EXOGENOUS.T_S], _1), np.uint32((abs_s[w] + _NOON_S) // _DAY_S)
        for i in range(command.shape[0]):
            asks[i] = abs(command[i])
        count_homes(asks, takes, site_index[p], t_s, cfg[CFG.GAP_S], hot, home[s])
        for i in range(command.shape[0]):
            if mobile[i] == 0:
                continue
            if taken[i] > _0 and stake[i] == _0:
                taken[i] = _0  # it has left; its owner hears of commands again from the next half hour on
            elif command[i] > _0 and takes[i] > _0 and stake[i] > from_stake:
                u = rng.quick_uniform(keys[w, 2], keys[w, 3], home_uid[p, i], _BACK, night)
                if takes_back(u, stake[i], share, from_stake):
                    taken[i], takes[i] = _1, _0
    give_back(by_place)
    give_back(by_home)
