"""Compare several policies of one training with a rule: ``python scripts/runs.py results/t-* --base merit_order``.

A single policy tells of its own luck. Each run is told with its paired difference to the base, whose interval draws
days anew. The last line tells of the training: its intervals draw runs and days anew, so few runs make them too narrow.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from der_gym.cli import common
from der_gym.controllers.policy import Policy
from der_gym.core.errors import InputError
from der_gym.core.units import DAY_S
from der_gym.evaluation import statistics as st
from der_gym.evaluation.scoreboard import Scoreboard, evaluate
from der_gym.scenario.load import load
from der_gym.scenario.variations import VARIATIONS, varied

LEAST = 2  # runs
Line = tuple[str, st.Interval, st.Interval, float, st.Interval]


def lines(board: Scoreboard, runs: Sequence[str]) -> list[Line]:
    """Return each run, then all together.

    Of each: name, IQM of the reward, its mean difference to the base, seeds above it (0..1), and the mean difference of
    the same plays under the variant ``ledger``.

    Parameters
    ----------
    board : Scoreboard
        It holds the runs and its base.
    runs : sequence of str
        Names of the controllers that are runs of one training.
    """
    day = board.scores[board.base].played.start_abs_s // DAY_S
    names = [board.base, *runs]
    base, *rewards = np.stack([board.scores[name].columns["reward"] for name in names])
    ledger_base, *ledgers = np.stack([board.scores[name].columns["reward_ledger"] for name in names])
    groups = [(name, slice(k, k + 1)) for k, name in enumerate(runs)] + [(f"all {len(runs)} runs", slice(None))]
    return [
        (
            name,
            st.over_runs(own, day, st.iqm),
            st.over_runs(own - base, day),
            float(st.wins(own, np.broadcast_to(base, own.shape))),
            st.over_runs(np.stack(ledgers[which]) - ledger_base, day),
        )
        for name, which in groups
        for own in [np.stack(rewards[which])]
    ]


def compare(
    folders: Sequence[str], scenario: str, base: str, n_seed: int, split: str, variation: str | None = None
) -> Scoreboard:
    """Return the scoreboard of a base and of the policies in some folders, each called by its folder.

    ``variation`` plays owners at one end of their ranges.

    Raises
    ------
    InputError
        For fewer than two folders, or one that holds no policy.
    """
    if len(set(folders)) < LEAST:
        raise InputError(f"folders: {len(set(folders))} runs; allowed: {LEAST} or more")
    policies = [(folder, Policy.load(folder)) for folder in dict.fromkeys(folders)]
    made = load(scenario) if variation is None else varied(load(scenario), variation)
    with common.progress() as told:
        return evaluate(made, [base, *policies], n_seed, split, base=base, progress=told)


def main(words: Sequence[str] | None = None) -> None:
    """Read the command line, play, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", help="folders of policies, two or more")
    parser.add_argument("--scenario", default="tertiary-1")
    parser.add_argument("--base", default="merit_order", help="the controller that all are compared with")
    parser.add_argument("--seeds", type=int, default=64)
    parser.add_argument("--split", default="test")
    parser.add_argument(
        "--variation", choices=VARIATIONS, help="owners at one end of their ranges; default: as shipped"
    )
    asked = parser.parse_args(words)
    try:
        board = compare(asked.folders, asked.scenario, asked.base, asked.seeds, asked.split, asked.variation)
    except InputError as error:
        parser.error(str(error))
    if board.interrupted:
        raise SystemExit(board.stopped)
    owners = f", {asked.variation}" if asked.variation else ""
    head = f"{board.scenario.name}{owners}, {len(board.seeds)} seeds of split {board.split}, base {board.base}"
    print(f"{head}; 95 % intervals")
    rows = lines(board, list(dict.fromkeys(asked.folders)))
    wide = max(len(name) for name, *_ in rows)
    columns = f"{'reward (IQM)':>24}  {'mean difference to base':>24}  {'seeds above, %':>14}  {'under ledger':>24}"
    print(f"{'run':{wide}}  {columns}")
    for name, reward, gain, above, ledger in rows:
        told = f"{_spread(reward):>24}  {_spread(gain):>24}  {100 * above:14.0f}  {_spread(ledger):>24}"
        print(f"{name:{wide}}  {told}")


def _spread(found: st.Interval) -> str:
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


if __name__ == "__main__":
    main()
