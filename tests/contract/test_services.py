"""What every registered service keeps to, and a toy of other boundaries: 5-s samples, 5-min periods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pytest
from worlds import MIX, SMALL, copied, same, started, take

from der_gym.core.errors import InputError
from der_gym.engine.compile import kernel
from der_gym.engine.program import Call
from der_gym.engine.schema import Table
from der_gym.env.single import DERGroupEnv
from der_gym.scenario.load import load
from der_gym.scenario.model import Scenario
from der_gym.services import SERVICES
from der_gym.services.base import OUTCOME, OUTCOME_ROWS, Opening, Periods, Sample, Service, ServiceConfig

CONTROL = {"control": {"by": ["device", "path", "cloud"]}}
LOADS = ("function/ecocute", "function/ev")


class ToyConfig(ServiceConfig):
    """Settings of the toy."""

    name: str = "toy"
    kw: float = 5.0


class Toy(Service):
    """Wants 5 kW all the time; judges every 5 minutes from samples of 5 seconds, and pays a yen for each it takes."""

    name: ClassVar[str] = "toy"
    japanese: ClassVar[str] = "おもちゃ"
    Config: ClassVar[type[ServiceConfig]] = ToyConfig
    LINES: ClassVar[Table] = Table("toy ledger", "float64", "samples | yen | meter | a yen for each sample")
    OUTCOME: ClassVar[Table] = Table(
        "toy outcome", "float64", OUTCOME_ROWS + "n_sample | - | meter | samples of the period"
    )
    FIELDS: ClassVar[Table] = Table("toy fields", "float64", "seen_n | - | aggregator | samples so far")
    scales: ClassVar[dict[str, tuple[float | str, float, float]]] = {"seen_n": (1000.0, 0.0, 100.0)}

    @property
    def periods(self) -> Periods:
        return Periods(sample_s=5, period_s=300)

    def draw(self, opening: Opening) -> None:
        m = opening.mask
        self.award_kw[m], self.unit_kw[m], self.target_kw[m] = self.config.kw, self.config.kw, self.config.kw
        self.outcome[m], self.ledger_yen[m], self.shown[m] = 0.0, 0.0, 0.0

    def settle(self, active: Any, t_s: Any, sample: Sample) -> list[Call]:
        return [Call(take_sample, sample.ends, sample.number, self.outcome, self.ledger_yen, by_world=True)]

    def show(self, active: Any, t_s: Any) -> list[Call]:
        return [Call(show_count, active, self.ledger_yen, self.shown, by_world=True)]

    def yardstick_yen(self, mask: Any, costs: Any) -> Any:
        return np.ones(int(mask.sum()))


N = len(OUTCOME)


@kernel
def take_sample(w0, w1, ends, number, outcome, ledger):  # type: ignore[no-untyped-def]
    for w in range(w0, w1):
        if ends[w] and number[w] // 60 < outcome.shape[1]:
            outcome[w, number[w] // 60, N] += 1.0
            ledger[w, 0] += 1.0


@kernel
def show_count(w0, w1, active, ledger, shown):  # type: ignore[no-untyped-def]
    for w in range(w0, w1):
        if active[w]:
            shown[w, 0] = ledger[w, 0]


@pytest.fixture
def toy() -> Iterator[type[Toy]]:
    SERVICES.register("toy", Toy)
    yield Toy
    del SERVICES._items["toy"]


def stacked(*services: dict[str, Any], **changes: Any) -> Scenario:
    """Return a small scenario with these services."""
    small = {key: value for key, value in SMALL.items() if not key.startswith("services")}
    own = {**small, "fleet.mix": MIX, "fleet.n_device": 120, "services": list(services), **changes}
    return load("tertiary-1", own)


TERTIARY = {"name": "tertiary-1", "award_kw": 5.0, "limits": "off", "node": "function/battery"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_declares_itself(name: str) -> None:
    service = SERVICES[name]
    assert service.name == name and service.japanese and service.Config(name=name).id == name
    assert tuple(service.OUTCOME)[: len(OUTCOME)] == tuple(OUTCOME)
    assert set(service.scales) == set(service.FIELDS) and set(service.deferred) <= set(service.LINES)
    assert all(field.description for field in service.Config.model_fields.values())


def test_a_service_has_boundaries_of_its_own(toy: type[Toy]) -> None:
    made = stacked({**TERTIARY, "node": "all"}, tick_s=5)
    beside = stacked(TERTIARY, {"name": "toy", "node": LOADS}, tick_s=5)
    alone, both = started(made, [1]), started(beside, [1])
    take(both, 0.3, 30)
    own = both.market.sessions[1].service
    assert own.outcome[0, :7, N].tolist() == [60.0] * 6 + [0.0] and own.ledger_yen[0].tolist() == [360.0]
    take(alone, 0.3, 30)
    assert alone.fleet.fleet.tobytes() == both.fleet.fleet.tobytes()  # a second service changes nobody's luck


def test_a_second_services_lines_fields_and_counts_stand_beside_the_firsts(toy: type[Toy]) -> None:
    env = DERGroupEnv(stacked(TERTIARY, {"name": "toy", "node": LOADS}, tick_s=5))
    obs, _ = env.reset(seed=1)
    for _ in range(30):
        obs, reward, _, _, info = env.step(np.zeros(env.action_space.shape, dtype=np.float32))
    assert info["yen_toy_samples"] == 360.0 and info["yen_total"] == pytest.approx(
        sum(v for k, v in info.items() if k.startswith("yen_") and k != "yen_total"), abs=1e-9
    )
    assert info["tertiary_1_blocks_judged"] + info["toy_blocks_judged"] == info["blocks_judged"]
    assert env.layout.decode(obs, "toy.seen_n") == pytest.approx(360.0)
    own = env.layout.of("toy")
    assert own.decode(obs, "target_kw") == pytest.approx(5.0) and set(own.leaf_names) < set(env.layout.leaf_names)
    assert env.layout.decode(obs, "unit_kw").tolist() == pytest.approx([5.0, 5.0])
    assert np.isfinite(reward) and env.observation_space.contains(obs)


def test_a_stacked_world_is_copied_whole(toy: type[Toy]) -> None:
    made = stacked(TERTIARY, {"name": "toy", "node": LOADS}, tick_s=5)
    sim = started(made, [1, 2])
    take(sim, 0.4, 20)
    twin = sim.fork([1])
    take(sim, 0.4, 20)
    take(twin, 0.4, 20)
    rows = {name: array[len(array) // 2 :] for name, array in copied(sim).items()}
    assert same(rows, copied(twin)) == []


def test_a_kw_is_not_promised_twice() -> None:
    with pytest.raises(
        InputError, match=r"services tertiary-1 and other: both claim control leaf .* shares that add up"
    ):
        started(stacked({**TERTIARY, "node": "all"}, {**TERTIARY, "id": "other"}), [1])


def test_shares_split_a_leaf() -> None:
    whole = started(stacked({**TERTIARY, "node": "all"}), [1])
    halves = started(stacked(*({**TERTIARY, "node": "all", "id": n, "share": 0.5} for n in ("one", "two"))), [1])
    take(whole, 0.0, 5)
    take(halves, 0.0, 5)
    kw = [session.sample.true_kw[0] for session in halves.market.sessions]
    assert kw[0] == kw[1] == pytest.approx(whole.market.primary.sample.true_kw[0] / 2)


@pytest.mark.parametrize(
    ("services", "said"),
    [
        ([{**TERTIARY, "node": "function/batery"}], "node.*unknown name 'batery'; did you mean 'battery'"),
        ([{**TERTIARY, "node": "functions/battery"}], "tree.*did you mean 'function'"),
        ([{**TERTIARY, "nodes": "all"}], "services.tertiary-1.nodes: unknown key; did you mean 'node'"),
        ([{"name": "tertiary-2"}], "unknown name 'tertiary-2'; did you mean 'tertiary-1'"),
        ([{"award_kw": 3.0}], "a mapping with 'name'"),
        ([TERTIARY, TERTIARY], "'tertiary-1' stands twice"),
        ([], "at least 1 item"),
    ],
)
def test_bad_services_are_refused(services: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(InputError, match=said):
        started(stacked(*services), [1])


def test_a_node_that_cuts_a_leaf_is_refused() -> None:
    coarse = {"groups": {"control": {"by": ["cloud"]}}}
    with pytest.raises(InputError, match="cuts control leaf"):
        started(stacked(TERTIARY, **coarse), [1])


def test_samples_that_a_tick_does_not_divide_are_refused(toy: type[Toy]) -> None:
    with pytest.raises(InputError, match=r"services\.toy: samples of 5 s; allowed: whole ticks"):
        started(stacked({"name": "toy"}), [1])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"market.product": "no-such-product"}, "services: "),
        ({"market.award_kw": 3.0}, "services.tertiary-1.award_kw"),
        ({"market.rules.wear_yen_kwh": 3.0}, "costs.wear_yen_kwh"),
        ({"market.n_block": 3}, "episode.n_block"),
    ],
)
def test_the_older_form_says_what_to_write_now(old: dict[str, Any], new: str) -> None:
    with pytest.raises(InputError, match=new):
        load("tertiary-1", old)
    (key, value), nested = next(iter(old.items())), {}
    at = nested
    *parents, last = key.split(".")
    for part in parents:
        at = at.setdefault(part, {})
    at[last] = value
    with pytest.raises(InputError, match=new):
        load({"base": "tertiary-1", **nested})
