"""The behaviour ``incentive``: owners who are offered pay answer by commanding their own devices, and are paid.

An **event** of a home begins when an offer arrives and none was in force for ``gap_min``. An agent answers at once. A
person looks after a while, decides once, and may leave later. Who takes part commands her own device; where she does
not, or where her device is not worth the offer, the device stays with dispatch or its own schedule. So what a device
cannot do, no offer makes it do.

**Pay** is worked out at each half hour for those who take part: ``mean offer x max(0, baseline - metered)``, by the
home's own baseline; for offers below 0, which pay for drawing more, of ``metered - baseline``.

Calls of people are counted: what they lose of their will to answer is charged at ``call_yen``.

Known errors: an offer acts for whole ticks; tiredness recovers between days, not within an episode.
"""

from __future__ import annotations

import numpy as np

from der_gym.devices.behaviours import INCENTIVE, MESSAGE, Behaviour
from der_gym.devices.owners import draws
from der_gym.devices.owners.choice import NEVER_YEN, least_pay, leaves, looks_at, sold
from der_gym.devices.owners.config import CFG, IncentiveConfig, constants, own_constants
from der_gym.devices.owners.draws import PARAMS
from der_gym.engine.compile import kernel, part
from der_gym.engine.schema import Table
from der_gym.engine.tables import EXOGENOUS, FLEET
from der_gym.numerics import approx, rng
from der_gym.numerics.sums import back, enter, find_enrolled, in_order

LUCK_SLOT_S = 10_800  # the luck of a home's decision is drawn for three hours: asking again does not draw again
HALF_HOUR_S = 1800
_MIND, _DELAY, _QUIT = rng.stream("owner.mind"), rng.stream("owner.delay"), rng.stream("owner.quit")
_0, _1, _HALF, _NAN = np.float32(0.0), np.float32(1.0), np.float32(0.5), np.float32(np.nan)
_ONE8 = np.float64(1.0)
_LUCK, _HALF_HOUR = np.int64(LUCK_SLOT_S), np.int64(HALF_HOUR_S)
_HALF_HOUR_S, _PER_HALF_HOUR, _MANY = np.float32(HALF_HOUR_S), np.float32(1.0 / HALF_HOUR_S), np.float32(1e5)

STATE = Table(
    "owners.state",
    "float32 (S, N, n_place): what owners do; the first rows are written by their device class every REFRESH_S",
    """
    ask_up_yen_kwh   | yen/kWh | truth      | what a kWh less costs the home now
    ask_down_yen_kwh | yen/kWh | truth      | what a kWh more costs the home now
    stake            | -       | truth      | comfort at stake, 0..1
    usual_kw         | kW      | meter      | mean of its group at this half hour of the days before, by rated power
    answer           | -       | truth      | 1 takes part in the event, -1 does not, 0 has not looked yet
    look_s           | s       | truth      | when the home answers, seconds of the episode
    acts_s           | s       | truth      | when the offer takes effect
    price_yen_kwh    | yen/kWh | truth      | pay from which on she opts in to this event
    last_s           | s       | truth      | end of the last tick with an offer; 0 none yet
    calls            | -       | truth      | events of this episode
    sum_kw           | kW s    | meter      | metered power over the open half hour
    sum_yen          | yen s   | meter      | offers per kWh over the open half hour, where she takes part
    before_kw        | kW      | meter      | metered mean of the last whole half hour of the episode
    base_kw          | kW      | meter      | mean of the last whole half hour before the event
    """,
)
REGISTERS = ("offer_paid_yen", "offer_paid_kwh", "offer_calls")


@part
def any_offer(a):  # type: ignore[no-untyped-def]
    """Return whether any of the offers ``a``, float32 (n,), is not 0."""
    most = np.int32(0)
    for i in range(a.shape[0]):
        most = max(most, in_order(abs(a[i])))
    return back(most) > _0


@kernel
def mark_new(a, hears, last, t_s, gap_s, new):  # type: ignore[no-untyped-def]
    """Write 1 into ``new`` where an event begins, else 0; return whether one does.

    Parameters
    ----------
    a, hears, last : float32 (n,)
        Offer in force; 0 where the owner takes no messages; end of the last tick with an offer, 0 none.
    t_s, gap_s : float32
    new : float32 (n,)
        Out.
    """
    most = np.int32(0)
    for i in range(a.shape[0]):
        rests = (last[i] == _0) | (t_s - last[i] > gap_s)
        new[i] = _1 if rests & (a[i] * hears[i] != _0) else _0
        most = max(most, in_order(new[i]))
    return back(most) > _0


@part
def draw_luck(k0, k1, ids, slot, new, u_mind, u_delay):  # type: ignore[no-untyped-def]
    """Draw the luck of the homes whose event begins, by their address and the slot of three hours."""
    for i in range(new.shape[0]):
        if new[i] > _0:
            u_mind[i] = rng.quick_uniform(k0, k1, ids[i], _MIND, slot)
            u_delay[i] = rng.quick_uniform(k0, k1, ids[i], _DELAY, slot)


@kernel
def begin_events(new, u_mind, u_delay, t_s, sod_s, cfg, params, state):  # type: ignore[no-untyped-def]
    """Set what belongs to an event where one begins: the price, when she looks, her baseline.

    Parameters
    ----------
    new, u_mind, u_delay : float32 (n,)
    t_s, sod_s : float32
        Seconds of the episode and of the day.
    cfg : float32 (CFG.N,); params : float32 (PARAMS.N, n); state : float32 (STATE.N, n)
    """
    automated, mind, before = params[PARAMS.AUTOMATED], params[PARAMS.MIND], params[PARAMS.CALLS_BEFORE]
    stake, usual, last_kw = state[STATE.STAKE], state[STATE.USUAL_KW], state[STATE.BEFORE_KW]
    answer, price = state[STATE.ANSWER], state[STATE.PRICE_YEN_KWH]
    look, acts = state[STATE.LOOK_S], state[STATE.ACTS_S]
    calls, base = state[STATE.CALLS], state[STATE.BASE_KW]
    for i in range(new.shape[0]):
        if new[i] > _0:
            pay = least_pay(
                u_mind[i], mind[i], stake[i], before[i] + calls[i], cfg[CFG.PAY_SLOPE], cfg[CFG.LN_HALF],
                cfg[CFG.NOTICE], cfg[CFG.STAKE_WEIGHT], cfg[CFG.TIRED_WEIGHT],
            )  # fmt: skip
            delay = approx.exp(cfg[CFG.LOOK_LN_S] + cfg[CFG.LOOK_SIGMA] * approx.normal_quantile(u_delay[i]))
            agent = automated[i] > _0
            stays = mind[i] > -_MANY
            price[i] = (_0 if stays else NEVER_YEN) if agent else pay
            look[i] = t_s if agent else looks_at(t_s, sod_s, delay, cfg[CFG.SLEEP_S], cfg[CFG.WAKE_S])
            acts[i] = t_s + cfg[CFG.NOTICE_S]
            answer[i] = _0
            calls[i] += _1
            base[i] = last_kw[i] if t_s >= _HALF_HOUR_S else usual[i]


@kernel
def count_calls(automated, new):  # type: ignore[no-untyped-def]
    """Leave in ``new`` the events that call a person: agents do not tire."""
    for i in range(new.shape[0]):
        new[i] = new[i] * (_1 - automated[i])


@kernel
def answer_offers(a, hears, t_s, end_s, params, state, fraction):  # type: ignore[no-untyped-def]
    """Let those who look now decide, and those who take part command their devices for the tick.

    Parameters
    ----------
    a : float32 (n,)
        Offer in force.
    hears : float32 (n,)
        1; 0 where the owner takes no messages.
    t_s, end_s : float32
        Start and end of the tick, s of the episode.
    params : float32 (PARAMS.N, n); state : float32 (STATE.N, n)
    fraction : float32 (n,)
        Out: see MESSAGE.
    """
    factor, hassle, span = params[PARAMS.FACTOR], params[PARAMS.HASSLE_YEN_KWH], params[PARAMS.SPAN_YEN_KWH]
    up, down = state[STATE.ASK_UP_YEN_KWH], state[STATE.ASK_DOWN_YEN_KWH]
    answer, price = state[STATE.ANSWER], state[STATE.PRICE_YEN_KWH]
    look, acts = state[STATE.LOOK_S], state[STATE.ACTS_S]
    last = state[STATE.LAST_S]
    for i in range(a.shape[0]):
        offer, was, begins, least, then = abs(a[i]) * hears[i], answer[i], acts[i], price[i], last[i]
        ask_up, ask_down = up[i], down[i]
        decides = (was == _0) & (t_s >= look[i]) & (offer > _0)
        said = _1 if offer > least else -_1
        now = said if decides else was
        part_ = sold(offer, ask_up if a[i] > _0 else ask_down, factor[i], hassle[i], span[i])
        gives = (now > _0) & (t_s >= begins) & (part_ > _0) & (offer > least)
        answer[i] = now
        last[i] = end_s if offer > _0 else then
        fraction[i] = (part_ if a[i] > _0 else -part_) if gives else _NAN


@part
def leave_events(k0, k1, ids, slot, quit_share, params, state):  # type: ignore[no-untyped-def]
    """Let people who take part leave, at a half hour."""
    answer, stake, automated = state[STATE.ANSWER], state[STATE.STAKE], params[PARAMS.AUTOMATED]
    for i in range(answer.shape[0]):
        if (answer[i] > _0) & (automated[i] == _0):
            u = rng.quick_uniform(k0, k1, ids[i], _QUIT, slot)
            answer[i] = -_1 if leaves(u, quit_share, stake[i]) else _1


@kernel
def decide(s0, s1, n_shard, active, keys, uid, abs_s, dt_s, ctx, cfg, params, state, fleet, message, registers):  # type: ignore[no-untyped-def]
    """Let owners answer the offers in force; see `Behaviour.decide`. Where there is none nothing is done."""
    n = fleet.shape[2]
    new, u_mind, u_delay = np.empty(n, np.float32), np.empty(n, np.float32), np.empty(n, np.float32)
    for s in range(s0, s1):
        w = s // n_shard
        a = message[s, MESSAGE.A]
        if not active[w] or not any_offer(a):
            continue
        t_s, sod_s, ids, own = ctx[w, EXOGENOUS.T_S], ctx[w, EXOGENOUS.SOD_S], uid[s % n_shard], state[s]
        k0, k1, now = keys[w, 2], keys[w, 3], abs_s[w]
        if now % _HALF_HOUR == 0:
            leave_events(k0, k1, ids, np.uint32(now // _HALF_HOUR), cfg[CFG.QUIT_SHARE], params[s], own)
        hears, fraction = fleet[s, FLEET.ACCEPTS_COMMANDS], message[s, MESSAGE.FRACTION]
        if mark_new(a, hears, own[STATE.LAST_S], t_s, cfg[CFG.GAP_S], new):
            draw_luck(k0, k1, ids, np.uint32(now // _LUCK), new, u_mind, u_delay)
            begin_events(new, u_mind, u_delay, t_s, sod_s, cfg, params[s], own)
            find_enrolled(fleet[s, FLEET.METER_GAIN], u_mind)
            count_calls(params[s, PARAMS.AUTOMATED], new)
            enter(new, u_mind, _ONE8, registers[s, 2])
        answer_offers(a, hears, t_s, t_s + dt_s, params[s], own, fraction)


@kernel
def meter_homes(a, hears, t_s, dt_s, power, gain, state):  # type: ignore[no-untyped-def]
    """Add a tick to the half hour that is open: metered power, and the offer of those who take part."""
    answer, acts, sum_kw, sum_yen = state[STATE.ANSWER], state[STATE.ACTS_S], state[STATE.SUM_KW], state[STATE.SUM_YEN]
    for i in range(a.shape[0]):
        offer = a[i] * hears[i] if (answer[i] > _0) & (t_s >= acts[i]) else _0
        sum_kw[i] = sum_kw[i] + power[i] * gain[i] * dt_s
        sum_yen[i] = sum_yen[i] + offer * dt_s


@kernel
def settle_homes(by_hour, state, yen, kwh):  # type: ignore[no-untyped-def]
    """Close a half hour: the pay of each home, yen, and the energy that it is paid for, kWh."""
    sum_kw, sum_yen, before = state[STATE.SUM_KW], state[STATE.SUM_YEN], state[STATE.BEFORE_KW]
    base, usual = state[STATE.BASE_KW], state[STATE.USUAL_KW]
    for i in range(yen.shape[0]):
        mean_kw, offer = sum_kw[i] * _PER_HALF_HOUR, sum_yen[i] * _PER_HALF_HOUR
        yard_kw = usual[i] if by_hour > _0 else base[i]
        less_kwh = (yard_kw - mean_kw) * _HALF
        paid = max(less_kwh if offer > _0 else -less_kwh, _0)
        kwh[i] = paid if offer != _0 else _0
        yen[i] = paid * abs(offer)
        before[i], sum_kw[i], sum_yen[i] = mean_kw, _0, _0


@kernel
def pay(s0, s1, n_shard, active, keys, uid, abs_s, dt_s, ctx, cfg, params, state, fleet, message, registers):  # type: ignore[no-untyped-def]
    """Meter the homes, and pay them where a half hour ends; see `Behaviour.account`."""
    n = fleet.shape[2]
    yen, kwh, here = np.empty(n, np.float32), np.empty(n, np.float32), np.empty(n, np.float32)
    for s in range(s0, s1):
        w = s // n_shard
        if active[w]:
            t_s, own, gain = ctx[w, EXOGENOUS.T_S], state[s], fleet[s, FLEET.METER_GAIN]
            hears, power = fleet[s, FLEET.ACCEPTS_COMMANDS], fleet[s, FLEET.POWER_KW]
            meter_homes(message[s, MESSAGE.A], hears, t_s, dt_s, power, gain, own)
            if (abs_s[w] + np.int64(dt_s)) % _HALF_HOUR == 0:
                settle_homes(cfg[CFG.BY_HOUR], own, yen, kwh)
                find_enrolled(gain, here)
                enter(yen, here, _ONE8, registers[s, 0])
                enter(kwh, here, _ONE8, registers[s, 1])


INCENTIVE_ANSWER = Behaviour(
    "incentive",
    INCENTIVE,
    "owners answer offers of pay: agents at once, people after a look at the notice",
    decide=decide,
    account=pay,
    draw_class=draws.draw_owners,
    of_class=own_constants,
    by_home=True,
    asks=True,
    usual="usual_kw",
    params=tuple(PARAMS),
    state=tuple(STATE),
    registers=REGISTERS,
    config=IncentiveConfig,
    constants=constants,
)
