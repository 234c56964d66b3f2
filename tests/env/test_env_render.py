"""Rendering: what it returns in each mode, that it shows what is known and changes nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pygame
import pytest
from gymnasium.utils.env_checker import check_env
from imageio_ffmpeg import count_frames_and_secs
from worlds import SMALL_STEPS, actions, small

from der_gym.core.errors import InputError
from der_gym.engine.tables import FLEET
from der_gym.env.render import chart, figures, style
from der_gym.env.render.scene import Scene, scene
from der_gym.env.single import DERGroupEnv
from der_gym.env.vector import DERGroupVectorEnv
from der_gym.services.tertiary_1 import settlement as s

SHAPE = (480, 800, 3)


def single(mode: str | None = "rgb_array", **changes: Any) -> DERGroupEnv:
    overrides = small(changes={key.replace("__", "."): value for key, value in changes.items()})
    return DERGroupEnv(overrides=overrides, render_mode=mode)


def many(mode: str = "rgb_array", autoreset: str = "NextStep") -> DERGroupVectorEnv:
    return DERGroupVectorEnv(2, overrides=small(), render_mode=mode, autoreset_mode=autoreset)


def picture(env: DERGroupEnv) -> np.ndarray:
    frame = env.render()
    assert isinstance(frame, np.ndarray)
    return frame


def moment(env: DERGroupEnv | DERGroupVectorEnv, w: int = 0) -> Scene:
    assert env._renderer is not None
    return scene(env.worlds, env._renderer.history, w)


def has(frame: np.ndarray, colour: style.Colour) -> bool:
    return bool((frame == colour).all(axis=-1).any())


def test_a_picture_is_fresh_and_moves() -> None:
    env = single()
    env.reset(seed=1)
    frames = [picture(env)]
    for action in actions(1, 5, env.layout.n_leaf):
        env.step(action)
        frames.append(picture(env))
    assert all(frame.shape == SHAPE and frame.dtype == np.uint8 for frame in frames)
    assert len({frame.tobytes() for frame in frames}) == len(frames)
    assert not any(np.shares_memory(frames[-1], frame) for frame in frames[:-1])
    kept = frames[-1].copy()
    frames[-1][:] = 0  # what the caller does to it changes nothing
    assert picture(env).tobytes() == kept.tobytes()


@pytest.mark.parametrize(("mode", "n"), [("rgb_array", SMALL_STEPS), ("ansi", SMALL_STEPS), ("human", 5)])
def test_rendering_changes_no_bit(mode: str, n: int) -> None:
    shown, plain = single(mode), single(None)
    assert plain._renderer is None
    pairs = [(shown.reset(seed=4), plain.reset(seed=4))]
    for action in actions(4, n, shown.layout.n_leaf):
        shown.render()
        pairs.append((shown.step(action), plain.step(action)))  # type: ignore[arg-type]
    for one, other in pairs:
        assert one[0].tobytes() == other[0].tobytes() and one[1:] == other[1:]
    assert shown.np_random.bit_generator.state == plain.np_random.bit_generator.state
    shown.close()


def test_the_truth_is_not_shown() -> None:
    env = single()
    env.reset(seed=1)
    env.step(np.full(env.layout.n_leaf, 0.5, dtype=np.float32))
    before = picture(env)
    env.worlds.simulator.fleet.fleet[:, FLEET.POWER_KW] += 100.0
    assert picture(env).tobytes() == before.tobytes()


def test_the_text_has_the_figures_of_the_observation() -> None:
    env = single("ansi")
    obs, _ = env.reset(seed=2)
    for action in actions(2, 40, env.layout.n_leaf):
        obs, *_ = env.step(action)
    text = env.render()
    assert isinstance(text, str)
    for name in ("award_kw", "plan_kw", "request_kw", "target_kw"):
        assert f"{name.removesuffix('_kw')} {figures.kw(float(env.layout.decode(obs, name)))}" in text
    assert f"seen {figures.kw(float(env.layout.decode(obs, 'response_kw')))}" in text
    assert "2026-08-03 Mon" in text and "block 2 of 3, 20 min left" in text and "hindsight" in text
    for j, name in enumerate(env.layout.leaf_names):
        line = next(line for line in text.splitlines() if line.startswith(name))
        assert f"{env.layout.decode(obs, 'leaf.sent_a')[j]:+.2f}" in line
        assert figures.kw(float(env.layout.decode(obs, "leaf.seen_kw")[j])) in line
        assert figures.age(float(env.layout.decode(obs, "leaf.age_mean_s")[j])) in line


@pytest.mark.parametrize(("decision_s", "tick_s"), [(60, 60), (30, 30), (300, 60)])
def test_the_past_is_what_was_observed_and_metered(decision_s: int, tick_s: int) -> None:
    env = single(decision_s=decision_s, tick_s=tick_s)
    obs, _ = env.reset(seed=3)
    seen, total = [float(env.layout.decode(obs, "response_kw"))], 0.0
    for action in actions(3, env.worlds.scenario.n_step, env.layout.n_leaf):
        obs, reward, *_ = env.step(action)
        seen.append(float(env.layout.decode(obs, "response_kw")))
        total += reward
    now = moment(env)
    limit = 4.9 * now.now["unit_kw"]  # the observation is cut at five awards
    np.testing.assert_allclose(now.seen_kw.clip(-limit, limit), np.clip(seen, -limit, limit), rtol=1e-5, atol=1e-4)
    delivered = env.worlds.simulator.market.primary.service.outcome[0, :, s.OUTCOME.DELIVERED_KWH]
    np.testing.assert_allclose(now.metered_kw.reshape(3, 30).mean(axis=1) / 2, delivered)
    assert now.reward == pytest.approx(total) and now.since_s == 0


def test_a_verdict_appears_when_its_block_has_been_judged() -> None:
    env = single()
    env.reset(seed=1)
    top, bottom = chart._STRIP
    for step, action in enumerate(actions(1, 31, env.layout.n_leaf)):
        strip = picture(env)[top:bottom]
        assert (has(strip, style.PASSED) or has(strip, style.FAILED)) == (step >= 30)
        assert np.isfinite(moment(env).passed).sum() == (step >= 30)
        env.step(action)


def test_the_band_is_what_passes() -> None:
    env = single()
    env.reset(seed=1)
    now, product = moment(env), env.worlds.simulator.market.primary.service
    assert now.band_kw.shape == (1, 2)  # the first window has begun
    for action in actions(1, SMALL_STEPS, env.layout.n_leaf):
        env.step(action)
    now = moment(env)
    half = (now.band_kw[:12, 1] - now.band_kw[:12, 0] - (product.window_kw[0, 1] - product.window_kw[0, 0])[:12]) / 2
    np.testing.assert_allclose(half, 0.1 * now.award_kw[0])
    assert np.isnan(now.band_kw[12:]).all()  # no award


def test_a_reset_starts_the_past_anew() -> None:
    env = single()
    env.reset(seed=1)
    first = picture(env)
    for action in actions(1, 7, env.layout.n_leaf):
        env.step(action)
    env.reset(seed=1)
    assert picture(env).tobytes() == first.tobytes()


def test_past_a_restore_only_what_is_known_is_shown() -> None:
    env, other = single(), single("ansi")
    env.reset(seed=1), other.reset(seed=2)
    for action in actions(1, 7, env.layout.n_leaf):
        env.step(action)
    other.restore(env.snapshot())
    now = moment(other)
    assert np.isnan(now.seen_kw[:-1]).all() and np.isnan(now.metered_kw).all()
    assert now.seen_kw[-1] == moment(env).seen_kw[-1]
    assert now.reward == 0 and now.since_s == 420
    assert f"since {now.clock(420)}" in str(other.render())
    other.step(actions(1, 1, env.layout.n_leaf)[0])
    env.step(actions(1, 1, env.layout.n_leaf)[0])
    assert moment(other).metered_kw[-1] == pytest.approx(moment(env).metered_kw[-1])
    twin = env.fork()
    assert twin.render_mode is None and twin._renderer is None


def test_many_leaves_and_many_megawatts_fit() -> None:
    from dataclasses import replace

    from der_gym.env.render.frame import Painter
    from der_gym.env.render.text import describe

    env = single()
    env.reset(seed=1)
    now, n = moment(env), 40
    wide = replace(
        now,
        leaf_names=tuple(f"a-rather-long-name-of-a-leaf-{j}" for j in range(n)),
        nominal_kw=np.arange(n, dtype=float),  # one of them zero
        leaf={name: np.full(n, 1e3) for name in now.leaf},
        now={**now.now, "unit_kw": 1e6, "response_kw": -1e6},
    )
    assert Painter().paint(wide).shape == SHAPE
    assert len(describe(wide).splitlines()) == len(describe(now).splitlines()) + n - env.layout.n_leaf


def test_human_shows_the_picture_in_a_window_and_close_closes_it() -> None:
    env, other = single("human"), single()
    env.reset(seed=1), other.reset(seed=1)
    for action in actions(1, 2, env.layout.n_leaf):
        env.step(action), other.step(action)
        shown = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
        assert shown.tobytes() == picture(other).tobytes()
    assert env.render() is None
    env.close()
    assert not pygame.display.get_init()
    env.close()


def test_without_pygame_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pygame", None)
    with pytest.raises(InputError, match=r"pip install 'der_gym\[viz\]'"):
        single("human")
    assert single("rgb_array").render_mode == "rgb_array"  # needs no pygame


def test_wrong_modes_are_refused() -> None:
    with pytest.raises(InputError, match=r"render_mode.*did you mean 'rgb_array'.*ansi, human, rgb_array"):
        single("rgb")
    with pytest.raises(InputError, match=r"render_mode.*did you mean 'ansi'.*ansi, rgb_array"):
        many("ansy")
    with pytest.raises(InputError, match="'human' shows a single environment"):
        many("human")
    with pytest.raises(InputError, match="before reset"):
        single().render()


def test_without_a_mode_render_warns_and_returns_none() -> None:
    env = single(None)
    env.reset(seed=1)
    with pytest.warns(UserWarning, match="without a render_mode"):
        assert env.render() is None
    envs = DERGroupVectorEnv(2, overrides=small())
    with pytest.warns(UserWarning, match="gym.make_vec"):
        assert envs.render() is None


@pytest.mark.parametrize("mode", ["rgb_array", "ansi", "human"])
def test_gymnasium_finds_nothing(mode: str) -> None:
    env = gym.make("der_gym:DERGroup-v0", overrides=small(), render_mode=mode)
    assert env.metadata["render_modes"] == ["human", "rgb_array", "ansi"] and env.metadata["render_fps"] == 20
    check_env(env.unwrapped)
    env.close()


def test_a_film_is_made(tmp_path: Path) -> None:
    env: gym.Env[Any, Any] = gym.make("der_gym:DERGroup-v0", overrides=small(), render_mode="rgb_array")
    env = gym.wrappers.RecordVideo(env, str(tmp_path / "films"), episode_trigger=lambda episode: True)
    env.reset(seed=1)
    for action in actions(1, 12, env.unwrapped.layout.n_leaf):  # type: ignore[attr-defined]
        env.step(action)
    env.close()
    (film,) = (tmp_path / "films").glob("*.mp4")
    frames, seconds = count_frames_and_secs(film)
    assert frames == 13 and seconds == pytest.approx(13 / 20, abs=0.1)


def test_a_vector_environment_renders_each_world_as_alone() -> None:
    envs = gym.make_vec(
        "der_gym:DERGroup-v0",
        num_envs=2,
        vectorization_mode="vector_entry_point",
        overrides=small(),
        render_mode="rgb_array",
    )
    assert envs.metadata["render_modes"] == ["rgb_array", "ansi"]
    alone = [single(), single()]
    envs.reset(seed=5)
    for w in range(2):
        alone[w].reset(seed=5 + w)
    for action in actions(5, 3, alone[0].layout.n_leaf):
        envs.step(np.stack([action, -action]))
        alone[0].step(action), alone[1].step(-action)
    frames = envs.render()
    assert isinstance(frames, tuple) and len(frames) == 2
    assert [frame.tobytes() for frame in frames] == [picture(env).tobytes() for env in alone]
    texts = many("ansi")
    texts.reset(seed=5)
    assert all(isinstance(text, str) and "tertiary-1" in text for text in texts.render() or [None])


@pytest.mark.parametrize(("autoreset", "steps"), [("NextStep", 1), ("SameStep", 0), ("Disabled", 0)])
def test_an_autoreset_starts_the_past_anew(autoreset: str, steps: int) -> None:
    envs = many(autoreset=autoreset)
    envs.reset(seed=1)
    n = envs.worlds.scenario.n_step
    for action in actions(1, n, envs.layout.n_leaf):
        envs.step(np.stack([action, action]))
    if autoreset == "Disabled":
        assert len(moment(envs).seen_kw) == n + 1
        envs.reset(options={"reset_mask": np.array([True, False])})
        assert len(moment(envs, 1).seen_kw) == n + 1
    for _ in range(steps):
        envs.step(np.zeros((2, envs.layout.n_leaf), dtype=np.float32))
    now = moment(envs)
    assert now.seen_kw.shape == (1,) and np.isfinite(now.seen_kw).all() and now.metered_kw.size == 0
    assert now.reward == 0 and now.t_s == 0


def test_figures() -> None:
    assert figures.kw(0.35) == "0.35 kW" and figures.kw(-0.999) == "-1.0 kW"
    assert figures.kw(-0.04) == "0.0 kW" and figures.kw(1488.2) == "1,488 kW" and figures.kw(-7.25, "+") == "-7.2 kW"
    assert figures.kw(-123456.0) == "-123 MW" and figures.kw_range(9_000, 11_000) == "9.0 to 11.0 MW"
    assert figures.kw_scale([-50.0, 0.0, 50.0]) == ["-50", "0", "50 kW"]
    assert (figures.yen(-0.2), figures.yen(1234.0), figures.yen(-12e6)) == ("0", "+1,234", "-12,000k")
    assert [figures.age(x) for x in (0.0, 119.0, 121.0, 3600.0)] == ["0 s", "119 s", "2 min", "60+ min"]
    assert [figures.tick_step(span, 5) for span in (5.0, 5.1, 180.0, 0.04)] == [1.0, 2.0, 50.0, 0.01]
