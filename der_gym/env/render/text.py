"""The scene as lines of text, for terminals and logs."""

from __future__ import annotations

import numpy as np

from der_gym.env.render import figures
from der_gym.env.render.scene import Scene

_LEVELS = "▁▂▃▄▅▆▇█"
_N_PAST = 60  # decisions shown
_HALF = 8  # characters of half a bar


def describe(scene: Scene) -> str:
    """Return the scene as text of 7 lines and one per leaf, without a line break at the end."""
    return "\n".join([*_head(scene), *_leaves(scene)])


def _head(scene: Scene) -> list[str]:
    now, passed = scene.now, scene.passed
    judged = int(np.isfinite(passed).sum())
    since = f" since {scene.clock(scene.since_s)}" if scene.since_s > 0 else ""
    return [
        f"{scene.scenario}  {figures.day_time(scene.time)}  block {scene.block + 1} of {len(passed)}, {scene.left}",
        f"award {figures.kw(now['award_kw'])}  plan {figures.kw(now['plan_kw'])}  "
        f"request {figures.kw(now['request_kw'])}",
        f"target {figures.kw(now['target_kw'])}  seen {figures.kw(now['response_kw'])}  "
        f"error {figures.kw(now['response_kw'] - now['target_kw'], '+')}",
        f"seen    {_line(scene.seen_kw[-_N_PAST:], now['unit_kw'])}",
        f"target  {_line(_past_target(scene), now['unit_kw'])}",
        f"metered (hindsight): blocks {_marks(scene)}  {int(np.nansum(passed))} of {judged} passed  "
        f"{figures.yen(scene.yen['total'])} yen  reward {scene.reward:+.3f}{since}",
    ]


def _past_target(scene: Scene) -> np.ndarray:
    """Return the target at the decisions shown."""
    t_s = np.arange(len(scene.seen_kw))[-_N_PAST:] * scene.decision_s
    kw: np.ndarray = scene.target_kw[np.minimum(t_s // 60, len(scene.target_kw) - 1)]
    return kw


def _line(kw: np.ndarray, unit_kw: float) -> str:
    """Return a curve from 0 (and below) to the award (and above), one character a decision; blank where unknown."""
    level = np.clip(np.nan_to_num(kw) / unit_kw * 7, 0, 7).round().astype(int)
    return "".join(_LEVELS[k] if known else " " for k, known in zip(level, np.isfinite(kw), strict=True))


def _marks(scene: Scene) -> str:
    """Return a character per block: + passed, x failed, . to come, - without award."""
    return "".join(
        "-" if award <= 0 else "." if np.isnan(passed) else "+" if passed else "x"
        for award, passed in zip(scene.award_kw, scene.passed, strict=True)
    )


def _leaves(scene: Scene) -> list[str]:
    wide = max(4, *(len(name) for name in scene.leaf_names))
    leaf = scene.leaf
    lines = [f"{'leaf':{wide}}   sent arrived  {'-1    arrived    +1':19}  power seen  report age"]
    for j, name in enumerate(scene.leaf_names):
        lines.append(
            f"{name:{wide}}  {leaf['sent_a'][j]:+.2f}   {leaf['arrived_a'][j]:+.2f}   {_bar(leaf['arrived_a'][j])}  "
            f"{figures.kw(leaf['seen_kw'][j]):>11}  {figures.age(leaf['age_mean_s'][j]):>10}"
        )
    return lines


def _bar(a: float) -> str:
    """Return a bar from the middle to ``a`` in -1..1."""
    n = round(min(abs(a), 1.0) * _HALF)
    left, right = ("█" * n, "") if a < 0 else ("", "█" * n)
    return f"{left:>{_HALF}}|{right:<{_HALF}}"
