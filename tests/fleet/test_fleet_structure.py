"""The arrangement: every device once, sites whole, every tree a sum of the same cells, luck untouched by grouping."""

from __future__ import annotations

import numpy as np
import pytest

from der_gym.core.errors import InputError
from der_gym.engine import tables
from der_gym.engine.tables import FLEET
from der_gym.fleet import fill
from der_gym.fleet.mix import FleetConfig, sample_table
from der_gym.fleet.packing import LANES, free_addresses, in_lanes
from der_gym.fleet.resources import ResourceTable, make_table
from der_gym.fleet.structure import Structure
from der_gym.fleet.tree import DEFAULT_TREES, TreeConfig, build_trees
from der_gym.simulation.metering import POWER, fold, sum_power_cells

ORDER = ("house", "battery", "ecocute", "ev")
MIX = (
    {"device": "ev", "path": "P6", "cloud": "E", "share": 100},
    {"device": "battery", "path": "P3", "cloud": "A", "share": 280},
    {"device": "battery", "path": "P4", "cloud": "C", "share": 110},
    {"device": "ecocute", "path": "P4", "cloud": "C", "share": 150},
    {"device": "ev", "path": "P3", "cloud": "B", "share": 40},
)


def fleet(n_device: int = 680, **more) -> ResourceTable:
    return sample_table(
        FleetConfig(
            host="battery",
            guests=("ecocute", "ev"),
            n_device=n_device,
            mix=MIX,
            n_feeder=3,
            colocated_share=0.4,
            **more,
        )
    )


@pytest.fixture(scope="module")
def table() -> ResourceTable:
    return fleet()


@pytest.fixture(scope="module", params=[16_384, 340, 100], ids=["whole", "2-shards", "7-shards"])
def structure(request: pytest.FixtureRequest, table: ResourceTable) -> Structure:
    return Structure.build(table, DEFAULT_TREES, ORDER, shard_size=request.param)


def test_every_device_has_one_place(structure: Structure, table: ResourceTable) -> None:
    rows = structure.row[structure.present == 1]
    assert sorted(rows.tolist()) == list(range(len(table)))
    assert (structure.row[structure.present == 0] == -1).all()
    assert (structure.uid[structure.present == 1] == table.uid[rows]).all()


def test_addresses_are_distinct_with_padding(structure: Structure) -> None:
    for uid in (structure.uid, structure.site_uid):
        assert len(np.unique(uid)) == uid.size


def test_cells_are_full_packets_where_that_costs_little_room() -> None:
    whole, few = (Structure.build(fleet(n), {}, ORDER) for n in (2_000, 12))
    assert ((whole.cell_hi - whole.cell_lo) % LANES == 0).all() and whole.n_site % LANES == 0
    assert whole.n_device < whole.present.size <= 1.25 * whole.n_device
    assert few.present.all() and few.site_present.all()
    assert in_lanes(np.array([1, 100, 30])).tolist() == [16, 112, 32]
    assert in_lanes(np.array([1, 2, 3])).tolist() == [1, 2, 3]


def test_shards_are_about_even(structure: Structure) -> None:
    count = structure.present.sum(axis=1)
    assert count.max() - count.min() <= 0.1 * count.mean() + 3
    assert structure.n_shard * structure.n_place <= 1.6 * structure.n_device


def test_sites_are_whole(structure: Structure, table: ResourceTable) -> None:
    shard, place = np.nonzero(structure.present)
    row = structure.row[shard, place]
    stands: dict[int, set[tuple[int, int]]] = {}
    for site, s, k in zip(table.site.codes[row], shard, structure.site_index[shard, place], strict=True):
        stands.setdefault(int(site), set()).add((int(s), int(k)))
    assert all(len(where) == 1 for where in stands.values())
    taken = {next(iter(where)) for where in stands.values()}
    assert len(taken) == len(stands) == len(table.site.names)
    assert taken == set(zip(*(part.tolist() for part in np.nonzero(structure.site_present)), strict=True))


def test_padding_stands_at_a_site_that_nobody_has(structure: Structure) -> None:
    s, i = np.nonzero(structure.present == 0)
    k = structure.site_index[s, i]
    assert (structure.site_present[s, k] == 0).all()
    assert (k >= structure.site_cell_hi.max()).all()


def test_classes_and_cells_cover_the_places_in_order(structure: Structure, table: ResourceTable) -> None:
    assert structure.class_names == ("battery", "ecocute", "ev")
    assert structure.cell_lo[0] == 0 and structure.cell_hi[-1] == structure.n_place
    assert (structure.cell_lo[1:] == structure.cell_hi[:-1]).all() and (structure.cell_hi > structure.cell_lo).all()
    for name, (lo, hi) in structure.class_slice.items():
        row = structure.row[:, lo:hi][structure.present[:, lo:hi] == 1]
        assert {table.device.text(k) for k in row} == {name}
    assert sum(hi - lo for lo, hi in structure.class_slice.values()) == structure.n_place


def test_all_devices_of_a_cell_are_equal(structure: Structure, table: ResourceTable) -> None:
    trees = build_trees(table, DEFAULT_TREES)
    kinds = set()
    for c in range(structure.n_cell):
        lo, hi = structure.cell_lo[c], structure.cell_hi[c]
        rows = structure.row[:, lo:hi][structure.present[:, lo:hi] == 1]
        kind = {
            (
                *(table.labels(name).text(row) for name in ("device", "path", "cloud")),
                *(tree.nodes[tree.node_of[row]] for tree in trees.values()),
            )
            for row in rows
        }
        assert len(kind) == 1
        device, path, cloud, leaf, *_ = next(iter(kind))
        assert structure.class_names[structure.cell_class[c]] == device
        assert structure.path_names[structure.cell_path[c]] == path
        assert structure.cloud_names[structure.cell_cloud[c]] == cloud
        assert structure.leaf_names[structure.cell_leaf[c]] == leaf
        kinds |= kind
    assert len(kinds) == structure.n_cell


def test_sums_over_every_tree_equal_the_fleet(structure: Structure, table: ResourceTable) -> None:
    kw_of_row = np.random.default_rng(1).integers(1, 100, len(table)).astype(np.float32)
    values = np.zeros((structure.n_shard, FLEET.N, structure.n_place), np.float32)
    values[:, FLEET.POWER_KW] = kw_of_row[structure.row]  # padding too
    values[:, FLEET.METER_GAIN] = structure.present
    parts = np.full((structure.n_shard, structure.n_cell, POWER.N), np.nan)
    shards, edges = (structure.n_shard, np.ones(1, bool)), (structure.cell_lo, structure.cell_hi)
    sum_power_cells(0, structure.n_shard, *shards, *edges, values, parts)
    cells = fold(parts, structure.n_shard)[:, :, POWER.TRUE_KW]
    trees = build_trees(table, DEFAULT_TREES)
    assert list(structure.trees) == list(trees)
    for name, tree in trees.items():
        nodes = structure.node_matrix(name) @ cells[0]
        expected = np.zeros(len(tree.nodes))
        for row, node in enumerate(tree.node_of.tolist()):
            while node >= 0:  # up to the root
                expected[node] += kw_of_row[row]
                node = tree.parent[node]
        assert nodes.tolist() == expected.tolist()
        assert nodes[0] == kw_of_row.sum()
        leaves = [k for k in range(len(tree.nodes)) if k not in tree.parent]
        assert nodes[leaves].sum() == kw_of_row.sum()


def test_nodes_name_parents_and_cells(structure: Structure) -> None:
    place = structure.trees["place"]
    assert [node.name for node in place[:2]] == ["place", "tokyo"] and place[2].name == "tokyo/feeder-0001"
    assert [node.parent for node in place] == [-1, 0, 1, 1, 1]
    assert structure.leaf_names[0] == "ev-P6-E" and structure.n_leaf == 5
    with pytest.raises(InputError, match="did you mean 'cloud'"):
        structure.node_matrix("clouds")


def test_site_cells_follow_the_first_device(structure: Structure, table: ResourceTable) -> None:
    control = build_trees(table, {})["control"]
    seen = 0
    for s in range(structure.n_shard):
        for k in np.flatnonzero(structure.site_present[s]):
            at = np.flatnonzero((structure.site_index[s] == k) & (structure.present[s] == 1))
            rows = structure.row[s, at].tolist()
            first = min(rows, key=lambda row: (ORDER.index(table.device.text(row)), table.uid[row]))
            leaf = structure.leaf_names.index(control.nodes[control.node_of[first]])
            assert structure.site_cell_lo[leaf] <= k < structure.site_cell_hi[leaf]
            seen += 1
    assert seen == len(table.site.names)


def rated(structure: Structure, s: int, i: int) -> float:
    """Return the rated kW that the table says of a place, -1 where it says nothing."""
    return float(np.nan_to_num(np.broadcast_to(structure.rated_kw, structure.uid.shape)[s, i], nan=-1.0))


def luck(structure: Structure) -> dict[int, tuple]:
    """What each row's draws stand on: its addresses and what is given."""
    out = {}
    for s, i in zip(*np.nonzero(structure.present), strict=True):
        given = (rated(structure, s, i), *structure.given[s, :, i].tolist())
        site = int(structure.site_uid[s, structure.site_index[s, i]])
        out[int(structure.row[s, i])] = (int(structure.uid[s, i]), site, given)
    return out


def test_regrouping_and_sharding_keep_addresses_and_given(structure: Structure, table: ResourceTable) -> None:
    control = TreeConfig(groups=[
        {"name": "cars", "where": {"device": "ev"}},
        {"name": "rest", "where": {"device": ["battery", "ecocute"]}},
    ])  # fmt: skip
    other = Structure.build(table, {"control": control}, ORDER[::-1])
    assert other.leaf_names == ("cars", "rest") and other.n_cell == 5
    assert other.class_names == ("ev", "ecocute", "battery")
    assert luck(other) == luck(structure)


def test_adding_a_class_changes_no_other_address() -> None:
    with_ev = fleet(680)
    without = sample_table(
        FleetConfig(host="battery", guests=("ecocute", "ev"), n_device=540, mix=MIX[1:4], colocated_share=0.4)
    )
    a, b = (Structure.build(each, {}, ORDER, shard_size=200) for each in (with_ev, without))
    names = {without.id_of(row): address for row, address in luck(b).items()}
    both = {with_ev.id_of(row): address for row, address in luck(a).items()}
    assert all(both[name][0] == address[0] for name, address in names.items())


def test_some_rows_of_a_table_keep_their_addresses(table: ResourceTable) -> None:
    rows = np.flatnonzero(np.isin(table.device.codes, table.device.codes_of(["ev", "ecocute"])))[::3]
    part, whole = (Structure.build(each, DEFAULT_TREES, ORDER) for each in (table.take(rows), table))
    assert part.class_names == ("ecocute", "ev") and part.n_device == len(rows) == part.present.sum()
    assert part.site_present.sum() == len({table.site.text(row) for row in rows})
    both = luck(whole)
    assert luck(part) == {k: both[row] for k, row in enumerate(rows.tolist())}


def test_what_the_table_tells_and_site_limits() -> None:
    table = make_table({
        "id": ["b1", "v1", "v2", "e1"],
        "device": ["battery", "ev", "ev", "ecocute"],
        "path": ["P3", "P3", "P6", "P4"],
        "site": ["s1", "s1", "s2", "s3"],
        "rated_kw": [5.9, np.nan, 6.0, np.nan],
        "reverse_flow_allowed": [1, np.nan, 0, np.nan],
        "demand_bg": ["r1", "r1", "r2", "r3"],
        "generation_bg": ["r9", "r9", "", ""],
        "site_import_max_kw": [np.nan, 10, np.nan, np.nan],
        "site_export_max_kw": [4.95, 4.95, np.nan, np.nan],
    })  # fmt: skip
    structure = Structure.build(table, {}, ORDER, switched_paths={"ev": {"P3", "P9"}})
    given = {
        table.id_of(row): (rated(structure, 0, i), *structure.given[0, :, i].tolist())
        for i, row in enumerate(structure.row[0])
    }
    assert given == {"b1": (np.float32(5.9), 0, -1), "v1": (-1, 0, 1), "v2": (6, 0, 0), "e1": (-1, -1, -1)}
    assert tables.NOT_GIVEN == -1
    place = dict(zip([table.id_of(row) for row in structure.row[0]], structure.site_index[0], strict=True))
    limits = structure.site_limits[0]
    assert limits[:, place["v1"]].tolist() == [10.0, np.float32(4.95)]
    assert np.isnan(limits[:, [place["v2"], place["e1"]]]).all()


def test_ratings_that_nobody_tells_take_one_place() -> None:
    silent = Structure.build(fleet(100), {}, ORDER)
    assert silent.rated_kw.shape == (silent.n_shard, 1) and np.isnan(silent.rated_kw).all()


def test_types_are_those_of_the_array_contracts(structure: Structure) -> None:
    expected = {
        "uid": "u4",
        "present": "u1",
        "site_index": "i4",
        "rated_kw": "f4",
        "given": "i1",
        "site_uid": "u4",
        "cell_lo": "i8",
    }
    for name, code in expected.items():
        assert getattr(structure, name).dtype == np.dtype(code)
    assert structure.given.shape == (structure.n_shard, 2, structure.n_place)
    assert structure.site_limits.shape == (structure.n_shard, 2, structure.n_site)


def test_one_device_and_one_crowded_site() -> None:
    one = Structure.build(make_table({"id": ["a"], "device": ["ev"]}), DEFAULT_TREES, ORDER)
    assert (one.n_place, one.n_site, one.n_cell, one.n_leaf) == (1, 1, 1, 1)
    crowd = make_table({"id": [f"a{k}" for k in range(9)], "device": ["ev"] * 9, "site": ["s"] * 9})
    assert Structure.build(crowd, {}, ORDER, shard_size=2).n_shard == 1


def test_an_empty_last_cell_or_shard_does_not_matter() -> None:
    ids = [f"a{k}" for k in range(21)]
    device = ["battery"] * 20 + ["ev"]
    structure = Structure.build(make_table({"id": ids, "device": device}), {}, ORDER, shard_size=10)
    lo, hi = structure.class_slice["ev"]
    assert structure.n_shard == 3 and hi - lo == 1 and structure.present[:, lo:hi].sum() == 1


def test_refused() -> None:
    table = fleet(100)
    with pytest.raises(InputError, match="class: unknown name 'ev'; did you mean 'evs'"):
        Structure.build(table, {}, ("battery", "ecocute", "evs"))
    with pytest.raises(InputError, match="100 devices into 100 cells"):
        Structure.build(table, {"id": TreeConfig(by=("id",))}, ORDER, shard_size=20)


def test_free_addresses_skip_what_is_taken() -> None:
    top = 2**32 - 1
    assert free_addresses(np.array([top - 1, 5], np.uint32), 3).tolist() == [top, top - 2, top - 3]
    assert len(free_addresses(np.arange(top - 200, top + 1, dtype=np.uint32), 2)) == 2
    assert free_addresses(np.array([7], np.uint32), 0).tolist() == []


def test_padding_takes_no_address_of_a_device() -> None:
    top = 2**32 - 1
    out = fill.spread_addresses(np.array([3, 1]), np.array([top, 8], np.uint32), (2, 2))
    assert out.tolist() == [[top - 1, 8], [top - 2, top]]


def test_a_large_fleet_in_shards() -> None:
    structure = Structure.build(fleet(40_000), {}, ORDER)
    assert structure.n_shard == 3 and structure.present.sum() == 40_000
    assert structure.n_shard * structure.n_place < 1.01 * 40_000
