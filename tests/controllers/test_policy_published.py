"""A policy is published by one renaming: whenever its writer is killed, the old one or the new one is there."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from policies import card_for, tensors_for
from worlds import small

from der_gym.controllers import policy_file
from der_gym.controllers.policy_file import PolicyCard
from der_gym.env.worlds import Worlds


class Killed(BaseException):
    """Stands for kill -9."""


@pytest.fixture(scope="module")
def card() -> PolicyCard:
    return card_for(Worlds("tertiary-1", small(), 1))


def read(folder: Path) -> float:
    return float(policy_file.load(folder)[1]["bias.0"][0])


def write(folder: Path, card: PolicyCard, number: float) -> None:
    tensors = tensors_for(card)
    tensors["bias.0"][0] = number
    policy_file.save(folder, card.model_copy(update={"metrics": {"number": number}}), tensors)


def test_the_old_or_the_new_policy_is_there(card: PolicyCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kill the writer before each of its renamings, several times in a row; then let one end."""
    write(tmp_path, card, 0.0)
    replace, found, number = os.replace, [0.0], 0.0
    for call in (0, 1, 2, 2, 1, 0, 2, 0, 1, 2, 2, 3):
        number += 1.0
        n_done = 0

        def killed(*given: Any, call: int = call) -> None:
            nonlocal n_done
            if n_done == call:
                raise Killed
            n_done += 1
            replace(*given)

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", killed)
            with suppress(Killed):
                write(tmp_path, card, number)
        found.append(read(tmp_path))
        assert found[-1] in (found[-2], number)
    write(tmp_path, card, np.float32(99.0).item())
    assert read(tmp_path) == 99.0
    assert len(set(found)) > 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["policy.json", "policy.safetensors"]


def test_weights_of_no_card_are_not_taken(card: PolicyCard, tmp_path: Path) -> None:
    write(tmp_path, card, 1.0)
    (tmp_path / "policy.next.safetensors").write_bytes(b"of a policy whose card never came")
    assert read(tmp_path) == 1.0
