"""A package of somebody else brings a device, a controller and a field; environments and commands have them at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from worlds import SMALL

CONTROLLER = '''
import numpy as np
from der_gym.controllers.base import Rule


class Half(Rule):
    """A tenth of full power for each kW of the gap."""

    name, title = "acme-half", "half power at most, by the field of its own"

    def predict(self, obs, state, episode_start):
        gap = self.layout.decode(obs, "acme_gap_kw")
        return np.clip(0.1 * gap, -0.5, 0.5)[:, None] * np.ones((1, self.layout.n_leaf), np.float32), {}
'''
FIELD = '''
from der_gym.env.observation.fields import field


@field("service.acme_gap_kw", unit="kW", scale="award", low=-5, high=5)
def acme_gap_kw(target_kw, response_kw):
    """Target less what is seen."""
    return target_kw - response_kw
'''
DEVICE = """
from der_gym.devices.base import DeviceModel
from der_gym.devices.battery.model import BATTERY

STORE = DeviceModel.__new__(DeviceModel)  # the shipped battery's functions under another name
STORE.__dict__.update(BATTERY.__dict__, name="acme_store")
STORE.__dict__.pop("kernels", None)
"""
POINTS = """[der_gym.controllers]
acme-half = acme_der.control:Half

[der_gym.fields]
service.acme_gap_kw = acme_der.fields:acme_gap_kw

[der_gym.devices]
acme_store = acme_der.devices:STORE
acme-broken = acme_broken:DEVICE
"""
MIX = [{"device": name, "path": "P3", "cloud": "A", "share": 1} for name in ("acme_store", "ev")]
PLAY = """
import sys
import der_gym
assert "acme_der" not in sys.modules
import gymnasium as gym
from der_gym.controllers import make, public_info
env = gym.make("DERGroup-v0", scenario="tertiary-1", overrides=OVERRIDES)
obs, _ = env.reset(seed=1)
layout = env.unwrapped.layout
assert layout.leaf_names[0] == "acme_store-P3-A", layout.leaf_names
assert list(layout.fields)[-1] == "acme_gap_kw", list(layout.fields)
rule = make("acme-half")
rule.bind(layout, public_info(env.unwrapped.worlds))
state, moved = None, 0
for _ in range(90):
    action, state = rule.predict(obs[None], state, None)
    obs, reward, *_ = env.step(action[0])
    view = env.unwrapped.worlds.simulator.view
    gap = float(layout.decode(obs, "acme_gap_kw"))
    seen = float(layout.decode(obs, "target_kw") - layout.decode(obs, "response_kw"))
    assert abs(gap - seen) < 1e-3, (gap, seen)
    moved += bool(action.any())
print("moved", moved > 0)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> dict[str, str]:
    """Return the environment of a process that has the package installed, as pip leaves it behind."""
    folder = tmp_path_factory.mktemp("site")
    package, told = folder / "acme_der", folder / "acme_der-1.0.dist-info"
    package.mkdir()
    told.mkdir()
    for name, text in (("__init__", ""), ("control", CONTROLLER), ("fields", FIELD), ("devices", DEVICE)):
        (package / f"{name}.py").write_text(text, encoding="utf-8")
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-der\nVersion: 1.0\n", encoding="utf-8")
    (told / "entry_points.txt").write_text(POINTS, encoding="utf-8")
    path = os.pathsep.join([str(folder), str(project_root)])
    return {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "default"}


def run(installed: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], env=installed, capture_output=True, text=True, check=False)


def test_an_environment_has_the_device_the_field_and_the_controller(installed: dict[str, str]) -> None:
    done = run(
        installed,
        "-c",
        f"OVERRIDES = {dict(SMALL, **{'fleet.mix': MIX, 'observation.fields': ['service.acme_gap_kw']})!r}\n{PLAY}",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["moved", "True"]
    assert done.stderr.count("package 'acme-der': plug-in 'acme-broken' is left out: ModuleNotFound") == 1


def test_the_command_line_lists_and_evaluates_the_controller(installed: dict[str, str], tmp_path: Path) -> None:
    listed = run(installed, "-m", "der_gym.cli", "list", "controllers")
    assert listed.returncode == 0 and "acme-half" in listed.stdout and "half power" in listed.stdout, listed.stderr
    fields = run(installed, "-m", "der_gym.cli", "list", "fields")
    assert "acme_gap_kw" in fields.stdout and "Target less" in fields.stdout
    devices = run(installed, "-m", "der_gym.cli", "list", "devices")
    assert "acme_store" in devices.stdout, devices.stderr
    asked = {**SMALL, "observation.fields": "[service.acme_gap_kw]"}
    settings = [part for key, value in asked.items() for part in ("--set", f"{key}={value}")]
    chosen = ("--controller", "acme-half,idle", "--base", "idle", "--seeds", "1", "--out", str(tmp_path / "out"))
    done = run(installed, "-m", "der_gym.cli", "evaluate", *chosen, *settings)
    assert done.returncode == 0, done.stderr
    assert "acme-half" in done.stdout
    wrong = run(installed, "-m", "der_gym.cli", "run", "tertiary-1", "--controller", "acme-halv")
    assert wrong.returncode == 2 and "did you mean 'acme-half'?" in wrong.stderr


def test_a_scenario_that_does_not_ask_for_it_has_no_field_of_the_package(installed: dict[str, str]) -> None:
    code = f"""
import gymnasium as gym
env = gym.make("der_gym:DERGroup-v0", scenario="tertiary-1", overrides={dict(SMALL)!r})
print("acme_gap_kw" in env.unwrapped.layout.fields)
import sys
print("acme_der.fields" in sys.modules)
"""
    done = run(installed, "-c", code)
    assert done.stdout.split() == ["False", "False"], done.stderr


def test_importing_the_package_loads_no_plug_in(installed: dict[str, str]) -> None:
    code = "import sys, der_gym; print('acme_der' in sys.modules, 'der_gym.core' in sys.modules)"
    done = run(installed, "-c", code)
    assert done.stdout.split() == ["False", "False"] and done.stderr == ""
