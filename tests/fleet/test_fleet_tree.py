"""Trees from selectors and from columns."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from der_gym.core.errors import InputError
from der_gym.fleet.resources import ResourceTable, make_table
from der_gym.fleet.tree import DEFAULT_TREES, GroupConfig, TreeConfig, build_tree, build_trees, combine, control_tree


def table(**more) -> ResourceTable:
    columns = {
        "id": ["b1", "b2", "b3", "e1", "v1", "v2"],
        "device": ["battery", "battery", "battery", "ecocute", "ev", "ev"],
        "path": ["P3", "P4", "P3", "P4", "P6", "P3"],
        "cloud": ["A", "C", "B", "C", "E", "A"],
        "area": ["tokyo", "tokyo", "kansai", "tokyo", "", "kansai"],
        "feeder": ["f2", "f1", "f1", "f2", "f1", ""],
    }
    return make_table(columns | more)


def tree(*groups: dict) -> TreeConfig:
    return TreeConfig(groups=groups)


def members(table: ResourceTable, built) -> dict[str, list[str]]:
    """Every node's devices, by the slow way: each device walks up to the root."""
    out: dict[str, list[str]] = {name: [] for name in built.nodes}
    for row, node in enumerate(built.node_of.tolist()):
        while node >= 0:
            out[built.nodes[node]].append(table.id_of(row))
            node = built.parent[node]
    return out


def test_default_leaves_are_the_combinations_in_order() -> None:
    built = control_tree(table())
    assert built.nodes[1:] == ("battery-P3-A", "battery-P4-C", "battery-P3-B", "ecocute-P4-C", "ev-P6-E", "ev-P3-A")
    assert built.leaves == (1, 2, 3, 4, 5, 6) and built.node_of.tolist() == [1, 2, 3, 4, 5, 6]


def test_hints_name_leaves_and_join_devices() -> None:
    built = control_tree(table(leaf=["fast", "", "fast", "", "cars", "cars"]))
    assert built.nodes[1:] == ("fast", "battery-P4-C", "ecocute-P4-C", "cars")
    assert members(table(), built)["fast"] == ["b1", "b3"]


def test_nested_selectors() -> None:
    config = tree(
        {"name": "store", "where": {"device": "battery"}, "groups": [
            {"name": "fast", "where": {"path": ["P1", "P3"][1:]}},
            {"name": "slow", "where": {"path": "P4"}},
        ]},
        {"name": "load", "where": {"device": ["ecocute", "ev"]}},
    )  # fmt: skip
    built = control_tree(table(), config)
    held = members(table(), built)
    assert held["control"] == ["b1", "b2", "b3", "e1", "v1", "v2"]
    assert held["store"] == ["b1", "b2", "b3"]
    assert held["store/fast"] == ["b1", "b3"] and held["store/slow"] == ["b2"]
    assert held["load"] == ["e1", "v1", "v2"]
    assert [built.nodes[k] for k in built.leaves] == ["store/fast", "store/slow", "load"]


def test_selectors_of_a_group_must_all_hold_and_ids_can_be_named() -> None:
    built = build_tree(table(), "x", tree({"name": "g", "where": {"cloud": ["A", "C"], "device": "battery"}}))
    assert members(table(), built)["g"] == ["b1", "b2"]
    built = build_tree(table(), "x", tree({"name": "g", "where": {"id": ["v2", "b3"]}}))
    assert members(table(), built)["g"] == ["b3", "v2"]


def test_tree_by_columns_nests_and_stops_at_empty_texts() -> None:
    built = build_tree(table(), "place", TreeConfig(by=("area", "feeder")))
    assert members(table(), built) == {
        "place": ["b1", "b2", "b3", "e1", "v1", "v2"],
        "tokyo": ["b1", "b2", "e1"],
        "kansai": ["b3", "v2"],
        "tokyo/f2": ["b1", "e1"],
        "tokyo/f1": ["b2"],
        "kansai/f1": ["b3"],
    }
    assert build_tree(table(), "list", TreeConfig(by=("market_list",))).nodes == ("list",)


def test_default_trees_overlap() -> None:
    built = build_trees(table(), DEFAULT_TREES)
    assert list(built) == ["control", "cloud", "place", "function", "balancing_group", "market_list"]
    assert members(table(), built["cloud"])["A"] == ["b1", "v2"]
    assert members(table(), built["function"])["ev"] == ["v1", "v2"]


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ([{"name": "g", "where": {"divice": "ev"}}], ["'g'", "'divice'", "did you mean 'class'"]),
        ([{"name": "g", "where": {"rated_kw": "5"}}], ["'g'", "'rated_kw'"]),
        ([{"name": "g", "where": {"device": "batery"}}], ["where.class", "'batery'", "did you mean 'battery'"]),
        ([{"name": "g", "where": {"path": ["P3", "P9"]}}], ["where.path", "'P9'"]),
        ([{"name": "g", "where": {"device": "ev", "cloud": "B"}}], ["'g'", "no device matches", "'B'"]),
        ([{"name": "g"}, {"name": "g"}], ["two groups", "'control'", "'g'"]),
        (
            [{"name": "one", "where": {"path": "P3"}}, {"name": "two", "where": {"device": "battery"}}],
            ["'one'", "'two'", "2 devices", "'b1'"],
        ),
        (
            [{"name": "all", "groups": [{"name": "x", "where": {"device": "ev"}}]}, {"name": "b"}],
            ["'all'", "'b'", "claim"],
        ),
        ([{"name": "g", "where": {"device": ["battery", "ev"]}}], ["1 devices", "no leaf", "'e1'", "ecocute/P4/C"]),
        (
            [{"name": "g", "groups": [{"name": "x", "where": {"device": "battery"}}]}],
            ["3 devices", "no leaf", "'e1'", "ends in 'g'"],
        ),
    ],
)
def test_refused(groups: list[dict], words: list[str]) -> None:
    with pytest.raises(InputError) as error:
        control_tree(table(), TreeConfig(groups=groups))
    assert all(word in str(error.value) for word in words), str(error.value)


def test_an_unknown_name_among_very_many_is_not_listed() -> None:
    many = make_table({"id": [f"d{k}" for k in range(500)], "device": ["ev"] * 500})
    with pytest.raises(InputError, match="no device has 'x'; there are 500 names"):
        build_tree(many, "t", tree({"name": "g", "where": {"site": "x"}}))


def test_configs_refuse_what_is_no_tree() -> None:
    for wrong in ({}, {"by": ["area"], "groups": [{"name": "g"}]}, {"buy": ["area"]}, {"groups": [{"name": "a/b"}]}):
        with pytest.raises(ValidationError):
            TreeConfig.model_validate(wrong)
    with pytest.raises(ValidationError):
        GroupConfig.model_validate({"name": "", "where": {}})
    with pytest.raises(InputError, match="did you mean 'feeder'"):
        build_tree(table(), "place", TreeConfig(by=("area", "feder")))


def test_combine_sorts_as_its_columns_do_even_past_64_bits() -> None:
    rng = np.random.default_rng(0)
    columns = [rng.integers(0, 9, 300) for _ in range(4)]
    for size in (9, 10**6, 10**12, 2**40):
        key = combine([(column, size) for column in columns])
        order = np.lexsort(columns[::-1])
        assert (np.diff(key[order]) >= 0).all()
        assert len(np.unique(key)) == len(set(zip(*[c.tolist() for c in columns], strict=True)))


def test_trees_take_the_resource_table_s_words_and_hold_them_alone() -> None:
    words = TreeConfig(by=("class", "maker_cloud"))
    assert words == TreeConfig(by=("device", "cloud")) and words.by == ("class", "maker_cloud")
    assert tree({"name": "g", "where": {"class": "ev"}}) == tree({"name": "g", "where": {"device": "ev"}})
    assert build_tree(table(), "x", words).nodes[1:4] == ("battery", "ecocute", "ev")
    with pytest.raises(ValidationError, match="'device' and 'class' are one column"):
        tree({"name": "g", "where": {"class": "ev", "device": "ev"}})
