"""A policy's files: what is written comes back, what is changed or foreign is refused, nothing in it is executed."""

from __future__ import annotations

import hashlib
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from policies import card_for, saved, tensors_for
from worlds import small

from der_gym.controllers import public_info
from der_gym.controllers.policy import Policy
from der_gym.controllers.policy_file import CARD, WEIGHTS, load, save
from der_gym.core.errors import InputError
from der_gym.env.observation.fields import FIELDS, field
from der_gym.env.worlds import Worlds
from der_gym.evaluation.controller_factory import players


@pytest.fixture(scope="module")
def worlds() -> Worlds:
    return Worlds("tertiary-1", small(), 1)


@pytest.fixture
def folder(tmp_path: Path, worlds: Worlds) -> Path:
    return saved(tmp_path / "mine", worlds)


def rewrite(folder: Path, **changes: Any) -> None:
    """Change the card as a person would, with an editor."""
    file = folder / CARD
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_what_is_written_comes_back(folder: Path, worlds: Worlds) -> None:
    card, tensors = load(folder)
    own = card_for(worlds)
    assert card.model_copy(update={"sha256": ""}) == own and len(card.sha256) == 64
    assert all((tensors[name] == array).all() for name, array in tensors_for(own).items())
    assert load(folder / CARD)[0] == card
    assert sorted(path.name for path in folder.iterdir()) == [CARD, WEIGHTS]


class Bomb:
    """What a hostile pickle does."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.place,)


def test_a_pickle_in_its_place_is_refused_and_not_run(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "ran"
    weights = pickle.dumps(Bomb(place))
    (folder / WEIGHTS).write_bytes(weights)
    with pytest.raises(InputError, match="changed since it was made"):
        load(folder)
    card = json.loads((folder / CARD).read_text())
    from der_gym.controllers.policy_file import PolicyCard

    rewrite(folder, sha256=PolicyCard.model_validate(card).digest(weights))  # even where the sums are right
    with pytest.raises(InputError, match="no safetensors file"):
        load(folder)
    assert not place.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scale": [1.9] * 9}, "changed since it was made"),
        ({"metrics": {"validation": 9.0}}, "changed since it was made"),
        ({"scale": [-1.0] * 9}, "scale.0"),
        ({"scales": 1}, "scales: unknown key; did you mean 'scale'"),
        ({"format": "other"}, "format"),
    ],
)
def test_a_changed_card_is_refused(folder: Path, change: dict[str, Any], words: str) -> None:
    rewrite(folder, **change)
    with pytest.raises(InputError, match=words):
        load(folder)


def signed(folder: Path, **changes: Any) -> None:
    """Change a card and sign it anew, as one who means harm would."""
    card = json.loads((folder / CARD).read_text()) | changes
    unsigned = json.dumps({key: value for key, value in card.items() if key != "sha256"}, sort_keys=True)
    card["sha256"] = hashlib.sha256((folder / WEIGHTS).read_bytes() + unsigned.encode()).hexdigest()
    (folder / CARD).write_text(json.dumps(card))


def test_a_card_signed_anew_is_read(folder: Path) -> None:
    signed(folder, metrics={"validation": 9.0})
    assert load(folder)[0].metrics == {"validation": 9.0}


def test_a_plain_network_corrects_no_rule(folder: Path) -> None:
    """``box`` says that the answer is the action itself, so a rule beneath it would be ignored in silence."""
    assert "box" not in json.loads((folder / CARD).read_text())
    signed(folder, box="award")
    with pytest.raises(InputError, match="box 'award': the rule is 'merit_order'; allowed: idle"):
        load(folder)


def test_names_that_stand_twice_are_refused(folder: Path) -> None:
    card = json.loads((folder / CARD).read_text())
    first = card["fields"][0]
    for key, twice in (("fields", first), ("inputs", card["inputs"][0]), ("leaves", card["leaves"][0])):
        signed(folder, **{key: [*card[key], twice]})
        name = twice["name"] if key == "fields" else twice
        with pytest.raises(InputError, match=f"policy.json: .*{key}: '{name}' stands twice; allowed: each name once"):
            load(folder)
        signed(folder, **{key: card[key]})
    for fields, words in (
        ([{**first, "n": 3}, *card["fields"][1:]], "begins at 1; allowed: 3"),
        ([{**first, "first": 2}, *card["fields"][1:]], "begins at 1; allowed: 0"),
    ):
        signed(folder, fields=fields)
        with pytest.raises(InputError, match=words):
            load(folder)
    signed(folder, fields=card["fields"], inputs=["award"])
    with pytest.raises(InputError, match="inputs: unknown name 'award'; did you mean"):
        load(folder)
    signed(folder, inputs=card["inputs"], heads=[])
    with pytest.raises(InputError, match="heads: "):
        load(folder)


def test_a_changed_number_is_refused(folder: Path) -> None:
    whole = bytearray((folder / WEIGHTS).read_bytes())
    whole[-1] ^= 1
    (folder / WEIGHTS).write_bytes(bytes(whole))
    with pytest.raises(InputError, match="sha256 differs"):
        load(folder)


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        ("weight.0", np.zeros((3, 3), np.float32), r"tensor 'weight.0' is float32 \(3, 3\)"),
        ("more", np.zeros(1, np.float32), "tensor 'more'.*allowed: float32 none"),
        ("bias.0", np.full(8, np.nan, np.float32), "'bias.0' holds a number that is not finite"),
        ("bias.1", None, "tensor 'bias.1' is missing"),
    ],
)
def test_wrong_tensors_are_refused(tmp_path: Path, worlds: Worlds, name: str, array: Any, words: str) -> None:
    card = card_for(worlds)
    tensors = tensors_for(card) | {name: array}
    save(tmp_path, card, {key: value for key, value in tensors.items() if value is not None})
    with pytest.raises(InputError, match=words):
        load(tmp_path)


def test_missing_and_foreign_files_are_named(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(InputError, match=r"none.policy.json: cannot be read: No such file"):
        load(tmp_path / "none")
    (folder / CARD).write_text("PK\x03\x04")
    with pytest.raises(InputError, match="is no JSON"):
        load(folder)


def test_another_layout_is_refused_with_what_differs(folder: Path, worlds: Worlds) -> None:
    policy = Policy.load(folder)
    policy.bind(worlds.layout, public_info(worlds))
    mix = [{"device": "battery", "path": "P1", "cloud": "direct", "share": 1}]
    other = Worlds("tertiary-1", small(changes={"fleet.mix": mix}), 1)
    with pytest.raises(InputError, match=r"fields that differ: .*n 9 there, 1 here"):
        policy.bind(other.layout, public_info(other))


def test_a_field_that_a_package_adds_leaves_a_policy_as_it_is(folder: Path, worlds: Worlds) -> None:
    @field("leaf.added_kw", unit="kW", scale="nominal", low=-1, high=1)
    def added_kw(up_kw: float) -> float:
        return up_kw

    try:
        other = Worlds("tertiary-1", small(changes={"observation.fields": [added_kw.key]}), 1)
    finally:
        del FIELDS._items[added_kw.key]
    plain, more = Policy.load(folder), Policy.load(folder)
    plain.bind(worlds.layout, public_info(worlds))
    more.bind(other.layout, public_info(other))
    assert other.layout.size > worlds.layout.size and plain.places.tolist() == more.places.tolist()


def test_another_scale_of_a_field_is_named(tmp_path: Path, worlds: Worlds) -> None:
    own = card_for(worlds)
    fields = tuple(f.model_copy(update={"scale": 2.0}) if f.name == "temp_c" else f for f in own.fields)
    policy = Policy.load(saved(tmp_path, worlds, fields=fields))
    with pytest.raises(InputError, match=r"fields that differ: temp_c \(scale 2.0 there, 40.0 here\)"):
        policy.bind(worlds.layout, public_info(worlds))


def test_policies_play_by_name(folder: Path, tmp_path: Path, worlds: Worlds) -> None:
    again = saved(tmp_path / "other" / "mine", worlds)
    found = players(["idle", f"policy:{folder}", f"policy:{again / CARD}"])
    assert list(found) == ["idle", "policy-mine", "policy-mine-2"]
    with pytest.raises(InputError, match="controller: unknown name 'polcy:x'"):
        players(["polcy:x"])


def test_it_runs_without_the_packages_of_training(folder: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'stable_baselines3', 'pandas'): sys.modules[name] = None\n"
        "from der_gym.controllers.policy import Policy\n"
        f"print(Policy.load({str(folder)!r}).card.algorithm)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "random", done.stderr
