"""The behaviour ``incentive``: owners who are offered pay answer by commanding their own devices, and are paid.

An **event** of a home begins when an offer arrives and none was in force for ``gap_min``. An agent answers at once. A
person looks after a while, decides once, and may leave later. Who takes part commands her own device: she sells a part
of its swing, or leaves it to its own schedule where the offer is not worth it. Other devices stay with dispatch. So
what a device cannot do, no offer makes it do.

**Pay** is worked out at each half hour for those who take part: ``mean offer x max(0, baseline - metered)``, by the
home's own baseline; for offers below 0, which pay for drawing more, of ``metered - baseline``.

An **appeal** is an offer that names no pay (`config.AppealConfig`). Only people weigh it, and nobody is paid. Calls of
people are counted: what they lose of their will to answer is charged at ``call_yen``.

Known errors: an offer acts for whole ticks; tiredness recovers between days, not within an episode.
"""

from __future__ import annotations

import numpy as np

from der_gym.core.units import REFRESH_S
from der_gym.devices.behaviours import INCENTIVE, MESSAGE, Behaviour
from der_gym.devices.owners import draws
from der_gym.devices.owners.appeals import mark_appeals, weigh_appeals
from der_gym.devices.owners.choice import NEVER_YEN, least_pay, leaves, looks_at, notice_given, sold
from der_gym.devices.owners.config import CFG, IncentiveConfig, constants, own_constants
from der_gym.devices.owners.draws import PARAMS
from der_gym.devices.owners.sales import give, give_again, give_first, say
from der_gym.engine.compile import kernel, part
from der_gym.engine.schema import Table
from der_gym.engine.scratch import borrow, give_back
from der_gym.engine.tables import EXOGENOUS, FLEET
from der_gym.numerics import approx, rng
from der_gym.numerics.sums import back, enter, find_enrolled, in_order

LUCK_SLOT_S = 10_800  # the luck of a home's decision is drawn for three hours: asking again does not draw again
HALF_HOUR_S = 1800
_MIND, _DELAY, _QUIT = rng.stream("owner.mind"), rng.stream("owner.delay"), rng.stream("owner.quit")
_0, _1, _HALF = np.float32(0.0), np.float32(1.0), np.float32(0.5)
_ONE8 = np.float64(1.0)
_LUCK, _HALF_HOUR, _REFRESH = np.int64(LUCK_SLOT_S), np.int64(HALF_HOUR_S), np.int64(REFRESH_S)
NEVER_S = np.float32(1e9)
_NEVER_BITS = NEVER_S.view(np.int32)
_PER_HOUR = np.float32(1.0 / 3600.0)
_HALF_HOUR_S, _PER_HALF_HOUR, _MANY = np.float32(HALF_HOUR_S), np.float32(1.0 / HALF_HOUR_S), np.float32(1e5)

STATE = Table(
    "owners.state",
    "float32 (S, N, n_place): what owners do; the first rows are written by their device class every REFRESH_S",
    """
    ask_up_yen_kwh   | yen/kWh | truth      | what a kWh less costs the home now
    ask_down_yen_kwh | yen/kWh | truth      | what a kWh more costs the home now
    stake            | -       | truth      | comfort at stake, 0..1
    usual_kw         | kW      | meter      | mean of its group at this half hour of the days before, by rated power
    was_yen_kwh      | yen/kWh | truth      | offer in force when owners were last looked at
    answer           | -       | truth      | 1 takes part in the event, -1 does not, 0 has not looked yet
    look_s           | s       | truth      | when the home answers, seconds of the episode
    acts_s           | s       | truth      | when the offer takes effect
    price_yen_kwh    | yen/kWh | truth      | pay from which on she opts in to this event
    last_s           | s       | truth      | end of the last offer; 0 none yet
    calls            | -       | truth      | events of this episode
    sold             | -       | truth      | fraction that she commands; 0 none
    pays_yen_kwh     | yen/kWh | truth      | offer that she is paid by now; 0 none
    sum_kw           | kW s    | meter      | power over the open half hour
    sum_yen          | yen s   | meter      | offers per kWh over the open half hour, where she takes part
    before_kw        | kW      | meter      | metered mean of the last whole half hour of the episode
    base_kw          | kW      | meter      | mean of the last whole half hour before the event
    busy             | -       | engine     | first entry: 1 while an offer is in force in this shard
    next_s           | s       | engine     | first entry: when somebody of this shard looks or an offer takes effect
    since_s          | s       | engine     | first entry: moment up to which SUM_YEN is made up
    sent_s           | s       | aggregator | when the offer in force was sent; only with notice: given
    starts_s         | s       | aggregator | first entry: start that a service has announced, 0 none; likewise
    owed_yen         | yen     | meter      | first entry: pay of the open half hour if all stopped now; with a budget
    """,
)
REGISTERS = ("offer_paid_yen", "offer_paid_kwh", "offer_calls")


@kernel
def moved(a, was):  # type: ignore[no-untyped-def]
    """Return whether any offer in force differs from the one before, float32 (n,) each."""
    most = np.int32(0)
    for i in range(a.shape[0]):
        most = max(most, in_order(abs(a[i] - was[i])))
    return back(most) > _0


@kernel
def mark_new(a, hears, t_s, gap_s, state, new):  # type: ignore[no-untyped-def]
    """Write 1 into ``new`` where an event begins, else 0, and note where an offer was in force; return if one begins.

    Parameters
    ----------
    a, hears : float32 (n,)
        Offer in force; 0 where the owner takes no messages.
    t_s, gap_s : float32
    state : float32 (STATE.N, n)
    new : float32 (n,)
        Out.
    """
    was, last, most = state[STATE.WAS_YEN_KWH], state[STATE.LAST_S], np.int32(0)
    for i in range(a.shape[0]):
        before = last[i]
        ended = t_s if was[i] * hears[i] != _0 else before
        rests = (ended == _0) | (t_s - ended > gap_s)
        begins = _1 if rests & (a[i] * hears[i] != _0) else _0
        last[i] = ended
        new[i] = begins
        most = max(most, in_order(begins))
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
    calls, base, sent = state[STATE.CALLS], state[STATE.BASE_KW], state[STATE.SENT_S]
    given, starts_s = cfg[CFG.GIVEN] > _0, state[STATE.STARTS_S, 0]
    for i in range(new.shape[0]):
        if new[i] > _0:
            begins = max(sent[i] + cfg[CFG.NOTICE_S], starts_s) if given else t_s + cfg[CFG.NOTICE_S]
            own = notice_given(begins, t_s, cfg[CFG.NOTICE_WEIGHT], cfg[CFG.FULL_S])
            pay = least_pay(
                u_mind[i], mind[i], stake[i], before[i] + calls[i], cfg[CFG.PAY_SLOPE], cfg[CFG.LN_HALF],
                own if given else cfg[CFG.NOTICE], cfg[CFG.STAKE_WEIGHT], cfg[CFG.TIRED_WEIGHT],
            )  # fmt: skip
            delay = approx.exp(cfg[CFG.LOOK_LN_S] + cfg[CFG.LOOK_SIGMA] * approx.normal_quantile(u_delay[i]))
            agent = automated[i] > _0
            stays = mind[i] > -_MANY
            price[i] = (_0 if stays else NEVER_YEN) if agent else pay
            look[i] = t_s if agent else looks_at(t_s, sod_s, delay, cfg[CFG.SLEEP_S], cfg[CFG.WAKE_S])
            acts[i] = begins
            answer[i] = _0
            calls[i] += _1
            base[i] = last_kw[i] if t_s >= _HALF_HOUR_S else usual[i]


@kernel
def count_calls(automated, new):  # type: ignore[no-untyped-def]
    """Leave in ``new`` the events that call a person: agents do not tire."""
    for i in range(new.shape[0]):
        new[i] = new[i] * (_1 - automated[i])


@kernel
def answer_offers(a, weighed, acted, hears, t_s, params, state):  # type: ignore[no-untyped-def]
    """Let those who look now decide, and set what those who take part command and are paid by.

    Parameters
    ----------
    a : float32 (n,)
        Offer in force.
    weighed, acted : float32 (n,)
        The pay by which each decides, and by which she acts: ``a`` but for appeals; the sign does not count.
    hears : float32 (n,)
        1; 0 where the owner takes no messages.
    t_s : float32
    params : float32 (PARAMS.N, n); state : float32 (STATE.N, n)

    Returns
    -------
    float32
        When somebody looks next or an offer takes effect, s of the episode.
    """
    factor, hassle, span = params[PARAMS.FACTOR], params[PARAMS.HASSLE_YEN_KWH], params[PARAMS.SPAN_YEN_KWH]
    up, down = state[STATE.ASK_UP_YEN_KWH], state[STATE.ASK_DOWN_YEN_KWH]
    answer, price = state[STATE.ANSWER], state[STATE.PRICE_YEN_KWH]
    look, acts = state[STATE.LOOK_S], state[STATE.ACTS_S]
    out, pays, was = state[STATE.SOLD], state[STATE.PAYS_YEN_KWH], state[STATE.WAS_YEN_KWH]
    soonest = _NEVER_BITS
    for i in range(a.shape[0]):
        x, said, looks, begins, least = a[i], answer[i], look[i], acts[i], price[i]
        ask_up, ask_down = up[i], down[i]
        offer, cost = abs(weighed[i]) * hears[i], abs(acted[i]) * hears[i]
        decides = (said == _0) & (t_s >= looks) & (offer > _0)
        now = (_1 if offer > least else -_1) if decides else said
        part_ = sold(cost, ask_up if x > _0 else ask_down, factor[i], hassle[i], span[i])
        inside = (now > _0) & (t_s >= begins)
        gives = inside & (offer > least)
        waits = (offer > _0) & (now >= _0)
        then = max(looks if now == _0 else begins, _0)
        answer[i] = now
        out[i] = (part_ if x > _0 else -part_) if gives else _0
        pays[i] = x * hears[i] if inside else _0
        was[i] = x
        soonest = min(soonest, in_order(then if waits & (then > t_s) else NEVER_S))
    return back(soonest)


@kernel
def make_up(t_s, state):  # type: ignore[no-untyped-def]
    """Bring the offers of the open half hour up to ``t_s``."""
    pays, sum_yen = state[STATE.PAYS_YEN_KWH], state[STATE.SUM_YEN]
    seconds = t_s - state[STATE.SINCE_S, 0]
    for i in range(pays.shape[0]):
        sum_yen[i] += pays[i] * seconds
    state[STATE.SINCE_S, 0] = t_s


@part
def leave_events(k0, k1, ids, slot, quit_share, params, state):  # type: ignore[no-untyped-def]
    """Let people who take part leave, at a half hour."""
    answer, stake, automated = state[STATE.ANSWER], state[STATE.STAKE], params[PARAMS.AUTOMATED]
    for i in range(answer.shape[0]):
        if (answer[i] > _0) & (automated[i] == _0):
            u = rng.quick_uniform(k0, k1, ids[i], _QUIT, slot)
            answer[i] = -_1 if leaves(u, quit_share, stake[i]) else _1


@kernel
def look(w, news, ids, keys, abs_s, ctx, cfg, params, own, fleet, told, registers, rows):  # type: ignore[no-untyped-def]
    """Let the owners of one shard answer the offers in force, and return whether anything may have changed.

    Without ``news`` no offer has changed. They are looked at where one has, where somebody looks at a notice, and at
    each refresh of what they ask. In between what they command stays; where no offer is in force nothing is done.
    ``told`` float32 (n,): offers in force; ``rows`` float32 (4, n): scratch.
    """
    a, new, u_mind, u_delay = told, rows[0], rows[1], rows[2]
    if cfg[CFG.APPEAL_BELOW] > _0:
        a = rows[3]
        mark_appeals(told, cfg[CFG.APPEAL_BELOW], a)
    changed = news and moved(a, own[STATE.WAS_YEN_KWH])
    if not changed and own[STATE.BUSY, 0] == _0:
        return False
    t_s, sod_s = ctx[w, EXOGENOUS.T_S], ctx[w, EXOGENOUS.SOD_S]
    k0, k1, now, hears = keys[w, 2], keys[w, 3], abs_s[w], fleet[FLEET.ACCEPTS_COMMANDS]
    if not (changed or t_s >= own[STATE.NEXT_S, 0] or now % _REFRESH == 0):
        return False
    make_up(t_s, own)
    if now % _HALF_HOUR == 0:
        leave_events(k0, k1, ids, np.uint32(now // _HALF_HOUR), cfg[CFG.QUIT_SHARE], params, own)
    if mark_new(a, hears, t_s, cfg[CFG.GAP_S], own, new):
        draw_luck(k0, k1, ids, np.uint32(now // _LUCK), new, u_mind, u_delay)
        begin_events(new, u_mind, u_delay, t_s, sod_s, cfg, params, own)
        find_enrolled(fleet[FLEET.METER_GAIN], u_mind)
        count_calls(params[PARAMS.AUTOMATED], new)
        enter(new, u_mind, _ONE8, registers[2])
    if cfg[CFG.APPEAL_BELOW] > _0:
        weigh_appeals(a, cfg, params, own[STATE.CALLS], u_mind, u_delay)
        own[STATE.NEXT_S, 0] = answer_offers(a, u_mind, u_delay, hears, t_s, params, own)
    else:
        own[STATE.NEXT_S, 0] = answer_offers(a, a, a, hears, t_s, params, own)
    new[:] = _0
    own[STATE.BUSY, 0] = _1 if moved(a, new) else _0
    return True


@kernel
def decide(s0, s1, n_shard, active, keys, uid, abs_s, dt_s, ctx, cfg, params, state, fleet, message, registers):  # type: ignore[no-untyped-def]
    """Let owners answer the offers in force; see `Behaviour.decide`."""
    n = fleet.shape[2]
    rows = borrow(4, n)
    for s in range(s0, s1):
        w = s // n_shard
        if active[w]:
            who = uid[s % n_shard]
            a, own = message[s, MESSAGE.A], state[s]
            changed = look(w, True, who, keys, abs_s, ctx, cfg, params[s], own, fleet[s], a, registers[s], rows)
            if changed or own[STATE.BUSY, 0] > _0:
                say(own[STATE.SOLD], own[STATE.PAYS_YEN_KWH], message[s, MESSAGE.FRACTION])
    give_back(rows)


@kernel
def decide_alone(  # type: ignore[no-untyped-def]
    s0, s1, n_shard, active, keys, uid, abs_s, dt_s, ctx, cfg, params, state, fleet, news, row, below, hold, registers
):
    """Do the same with dispatch alone beside it, or without: what devices obey stands in ``fleet`` until it changes."""
    n = fleet.shape[2]
    rows = borrow(4, n)
    for s in range(s0, s1):
        w = s // n_shard
        if active[w]:
            who, a, own, told = uid[s % n_shard], hold[s, row], state[s], news[w] & 1 != 0
            looked = look(w, told, who, keys, abs_s, ctx, cfg, params[s], own, fleet[s], a, registers[s], rows)
            if below >= 0 and looked:
                give_first(own[STATE.SOLD], own[STATE.PAYS_YEN_KWH], hold[s], below, fleet[s])
            elif below >= 0 and news[w] & 2 != 0 and own[STATE.BUSY, 0] > _0:
                give_again(own[STATE.SOLD], own[STATE.PAYS_YEN_KWH], fleet[s])
            elif below < 0 and looked:
                give(own[STATE.SOLD], own[STATE.PAYS_YEN_KWH], fleet[s, FLEET.CMD_START], fleet[s, FLEET.CMD_END])
    give_back(rows)


@kernel
def add_power(power, dt_s, sum_kw):  # type: ignore[no-untyped-def]
    """Add a tick's power to the half hour that is open."""
    for i in range(power.shape[0]):
        sum_kw[i] += power[i] * dt_s


@kernel
def settle_homes(by_hour, gain, state, yen, kwh):  # type: ignore[no-untyped-def]
    """Close a half hour: the pay of each home, yen, and the energy that it is paid for, kWh.

    ``gain``: METER_GAIN, which changes at half hours only.
    """
    sum_kw, sum_yen, before = state[STATE.SUM_KW], state[STATE.SUM_YEN], state[STATE.BEFORE_KW]
    base, usual = state[STATE.BASE_KW], state[STATE.USUAL_KW]
    for i in range(yen.shape[0]):
        mean_kw, offer = sum_kw[i] * gain[i] * _PER_HALF_HOUR, sum_yen[i] * _PER_HALF_HOUR
        yard_kw = usual[i] if by_hour > _0 else base[i]
        less_kwh = (yard_kw - mean_kw) * _HALF
        paid = max(less_kwh if offer > _0 else -less_kwh, _0)
        kwh[i] = paid if offer != _0 else _0
        yen[i] = paid * abs(offer)
        before[i], sum_kw[i], sum_yen[i] = mean_kw, _0, _0


@kernel
def owed(by_hour, gain, past_s, t_s, state):  # type: ignore[no-untyped-def]
    """Return the pay of the open half hour, of which ``past_s`` are over, if all stopped at ``t_s``, yen (float64)."""
    sum_kw, sum_yen, pays = state[STATE.SUM_KW], state[STATE.SUM_YEN], state[STATE.PAYS_YEN_KWH]
    base, usual, since_s = state[STATE.BASE_KW], state[STATE.USUAL_KW], t_s - state[STATE.SINCE_S, 0]
    total = _0
    for i in range(pays.shape[0]):
        offer = (sum_yen[i] + pays[i] * since_s) * _PER_HALF_HOUR
        less_kws = (usual[i] if by_hour > _0 else base[i]) * past_s - sum_kw[i] * gain[i]
        total += max(less_kws if offer > _0 else -less_kws, _0) * (abs(offer) if gain[i] > _0 else _0)
    return np.float64(total * _PER_HOUR)


@kernel
def pay(s0, s1, n_shard, active, keys, uid, abs_s, dt_s, ctx, cfg, params, state, fleet, message, registers):  # type: ignore[no-untyped-def]
    """Meter the homes, and pay them where a half hour ends; see `Behaviour.account`."""
    n = fleet.shape[2]
    rows = borrow(3, n)
    yen, kwh, here = rows[0], rows[1], rows[2]
    for s in range(s0, s1):
        w = s // n_shard
        if active[w]:
            own, gain = state[s], fleet[s, FLEET.METER_GAIN]
            add_power(fleet[s, FLEET.POWER_KW], dt_s, own[STATE.SUM_KW])
            past_s = (abs_s[w] + np.int64(dt_s)) % _HALF_HOUR
            if cfg[CFG.BUDGETED] > _0 and past_s % _REFRESH == 0:
                end_s = np.float32(ctx[w, EXOGENOUS.T_S] + dt_s)
                own[STATE.OWED_YEN, 0] = owed(cfg[CFG.BY_HOUR], gain, np.float32(past_s), end_s, own)
            if past_s == 0:
                own[STATE.OWED_YEN, 0] = _0
                make_up(ctx[w, EXOGENOUS.T_S] + dt_s, own)
                settle_homes(cfg[CFG.BY_HOUR], gain, own, yen, kwh)
                find_enrolled(gain, here)
                enter(yen, here, _ONE8, registers[s, 0])
                enter(kwh, here, _ONE8, registers[s, 1])
    give_back(rows)


INCENTIVE_ANSWER = Behaviour(
    "incentive",
    INCENTIVE,
    "owners answer offers of pay: agents at once, people after a look at the notice",
    decide=decide,
    decide_alone=decide_alone,
    account=pay,
    draw_class=draws.draw_owners,
    of_class=own_constants,
    by_home=True,
    asks=True,
    second=False,
    reads_dispatch=False,
    usual="usual_kw",
    params=tuple(PARAMS),
    state=tuple(STATE),
    registers=REGISTERS,
    config=IncentiveConfig,
    constants=constants,
)
