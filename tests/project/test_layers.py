"""Imports go down only, heavy packages wait until they are used, and kernels keep to float32."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "der_gym"
SIBLINGS = ("devices", "fleet", "network", "signals")  # one layer: they never import one another
LAYERS = {
    **{"core": 0, "engine": 1, "numerics": 2},
    **dict.fromkeys(SIBLINGS, 3),
    **{"services": 4, "scenario": 5, "simulation": 6, "env": 7, "controllers": 8, "evaluation": 9, "cli": 10},
}
ABOVE = {"agents", "tests", "scripts"}
HEAVY = {
    "matplotlib",
    "moviepy",
    "pandas",
    "pyarrow",
    "pygame",
    "sb3_contrib",
    "stable_baselines3",
    "tensorboard",
    "torch",
}


def module_name(path: Path) -> str:
    """Return the dotted name of a file of the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def read_modules() -> dict[str, str]:
    """Return the source of every module of der_gym by name; a package's name ends with a dot (``der_gym.core.``)."""
    files = sorted(PACKAGE.rglob("*.py"))
    dots = {path: "." if path.name == "__init__.py" else "" for path in files}
    return {module_name(path) + dots[path]: path.read_text(encoding="utf-8") for path in files}


def imports(name: str, source: str, modules: set[str]) -> Iterator[tuple[str, int]]:
    """Yield (module, line) for every import anywhere in a source: at the top, inside functions, by a constant name."""
    package = name[:-1] if name.endswith(".") else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(source, name)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            up = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*up, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield inner if inner in modules else base, node.lineno
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in {"import_module", "__import__"}:
            yield from ((a.value, node.lineno) for a in node.args[:1] if isinstance(a, ast.Constant))


def part(module: str) -> str:
    """Return the part of der_gym that a module belongs to: ``core``, ``scenario`` ..., or '' for der_gym itself."""
    return module.rstrip(".").removeprefix("der_gym").removeprefix(".").split(".")[0]


# What a controller knows of the environments: the layout of what it sees, and the heads of what it does.
SEEN_AND_DONE = ("der_gym.env.observation", "der_gym.env.action")


def allowed(source: str, target: str) -> bool:
    """Return whether one module of the project may import another."""
    if target.split(".")[0] in ABOVE:
        return False
    here, there = part(source), part(target)
    if here in ("", there) or there == "":  # the package itself stands above all and gives only its name and version
        return True
    if (here, there) == ("controllers", "env"):
        return target.startswith(SEEN_AND_DONE)
    return LAYERS[here] > LAYERS[there]


def circles(modules: dict[str, str]) -> list[str]:
    """Return the modules that import one another, directly or through others, one line for each circle."""
    names = {name.rstrip(".") for name in modules}
    graph = {
        name.rstrip("."): {target for target, _ in imports(name, source, names)} & names - {name.rstrip(".")}
        for name, source in modules.items()
    }
    while free := [
        n for n in graph if not graph[n] & graph.keys() or not any(n in others for others in graph.values())
    ]:
        for name in free:
            graph.pop(name)
    return [f"{name} imports {', '.join(sorted(targets & graph.keys()))}" for name, targets in sorted(graph.items())]


def violations(modules: dict[str, str]) -> list[str]:
    """Return one line for every import that does not go down."""
    names = {name.rstrip(".") for name in modules}
    found = ((name, *pair) for name, source in modules.items() for pair in imports(name, source, names))
    ours = ((name, target, line) for name, target, line in found if target.split(".")[0] in {"der_gym", *ABOVE})
    return [f"{name.rstrip('.')}:{line} imports {target}" for name, target, line in ours if not allowed(name, target)]


def test_imports_go_down_only() -> None:
    modules = read_modules()
    assert "der_gym.engine.compile" in modules
    found = violations(modules)
    assert not found, "\n".join(found)


def test_no_modules_import_one_another() -> None:
    assert circles(read_modules()) == []


def test_a_made_up_circle_is_found() -> None:
    three = {f"der_gym.core.{a}": f"def f():\n    from der_gym.core import {b}" for a, b in ("ab", "bc", "ca")}
    assert len(circles(three)) == 3
    assert circles({**three, "der_gym.core.c": ""}) == []


BAD = {
    "core knows a device": ("der_gym.numerics.rng", "import der_gym.devices.battery.model"),
    "inside a function": ("der_gym.numerics.rng", "def f():\n    from der_gym.services import settle"),
    "siblings": ("der_gym.devices.settle", "from der_gym import network"),
    "siblings, relative": ("der_gym.devices.settle", "from ..network import deliver"),
    "relative, from a package": ("der_gym.devices.", "from ..network import deliver"),
    "a device composes": ("der_gym.devices.battery.model", "from der_gym.scenario import load"),
    "the simulator knows an env": ("der_gym.simulation.simulator", "import der_gym.env.observation.layout"),
    "envs know controllers": ("der_gym.env.single", "from der_gym.controllers import idle"),
    "controllers know more than the layout": ("der_gym.controllers.idle", "from der_gym.env import single"),
    "controllers evaluate": ("der_gym.controllers.idle", "import der_gym.evaluation"),
    "evaluation knows the command line": ("der_gym.evaluation.score", "import der_gym.cli"),
    "by name": ("der_gym.numerics.rng", "import importlib\nimportlib.import_module('der_gym.env')"),
    "agents": ("der_gym.controllers.policy", "import agents.ppo"),
}
GOOD = {
    "down": ("der_gym.devices.battery.model", "from der_gym.numerics import rng\nfrom ..base import DeviceConfig"),
    "composing": ("der_gym.simulation.step", "from der_gym.scenario import load\nimport der_gym.scenario.model"),
    "the layout": ("der_gym.controllers.idle", "from der_gym.env.observation.layout import Layout"),
    "the layout as a module": ("der_gym.controllers.idle", "from der_gym.env.observation import layout"),
    "the version": ("der_gym.engine.compile", "import der_gym\nfrom der_gym import __version__"),
    "others": ("der_gym.engine.compile", "import numpy.linalg"),
    "the command line": ("der_gym.cli.main", "from der_gym.evaluation import score"),
}
AROUND = dict.fromkeys(
    (
        "der_gym.network.",
        "der_gym.env.",
        "der_gym.env.observation.",
        "der_gym.env.observation.layout",
        "der_gym.env.single",
    ),
    "",
)


@pytest.mark.parametrize("name", BAD)
def test_a_made_up_violation_is_found(name: str) -> None:
    module, source = BAD[name]
    assert len(violations({**AROUND, module: source})) == 1


@pytest.mark.parametrize("name", GOOD)
def test_a_made_up_good_import_passes(name: str) -> None:
    module, source = GOOD[name]
    assert violations({**AROUND, module: source}) == []


def test_heavy_packages_wait_until_they_are_used() -> None:
    code = "import sys, der_gym, der_gym.engine.compile; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert HEAVY & set(done.stdout.split()) == set()


def top_level(source: str, name: str = "made up") -> Iterator[tuple[str, int]]:
    """Yield (package, line) for what runs when a module is imported: all but functions and ``if TYPE_CHECKING``."""
    waiting: list[ast.AST] = [ast.parse(source, name)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0], node.lineno
        waiting.extend(ast.iter_child_nodes(node))


def test_no_module_imports_a_heavy_package_at_its_top() -> None:
    found = [
        f"{name.rstrip('.')}:{line} imports {package}"
        for name, source in read_modules().items()
        for package, line in top_level(source, name)
        if package in HEAVY
    ]
    assert not found, "\n".join(found)


def test_a_heavy_import_at_the_top_is_found() -> None:
    late = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch\ndef f():\n    import torch"
    assert "torch" not in dict(top_level(late))
    assert "torch" in dict(top_level("try:\n    import torch.nn\nexcept ImportError:\n    pass"))


CASTS = {"np.float32", "np.float64"}
LIBM = "exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan arctan2 sinh cosh tanh power cbrt hypot"


# They keep the books of leaves and clouds, float64 throughout, and touch no device: a literal costs nothing there.
BOOKS = {"draw_clouds", "retire", "said", "send", "wants_sending"}


def compiled(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    """Yield the functions that numba compiles."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            marks = {ast.unparse(mark).split("(")[0].split(".")[-1] for mark in node.decorator_list}
            if marks & {"kernel", "part", "scalar"}:
                yield node


def literals(function: ast.FunctionDef) -> Iterator[str]:
    """Yield one line for every float literal in a body that is not the sole argument of a cast."""
    nodes = [node for statement in function.body for node in ast.walk(statement)]
    cast = {id(n.args[0]) for n in nodes if isinstance(n, ast.Call) and n.args and ast.unparse(n.func) in CASTS}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, float) and id(node) not in cast:
            yield f"{function.name}:{node.lineno} bare literal {node.value}"


def libm(function: ast.FunctionDef) -> Iterator[str]:
    """Yield one line for every use of ``math`` or of a transcendental of numpy in a body."""
    for node in (node for statement in function.body for node in ast.walk(statement)):
        if isinstance(node, ast.Attribute):
            used = ast.unparse(node).replace("numpy.", "np.")
            if used.startswith("math.") or used.removeprefix("np.") in LIBM.split():
                yield f"{function.name}:{node.lineno} {used}"


def kernel_faults(source: str) -> list[str]:
    """Return one line for every fault of the compiled functions of a source."""
    functions = list(compiled(ast.parse(source)))
    bare = [fault for function in functions if function.name not in BOOKS for fault in literals(function)]
    return bare + [fault for function in functions for fault in libm(function)]


@pytest.mark.parametrize("folder", ["devices", "network"])
def test_kernels_hold_no_bare_literal_and_no_libm(folder: str) -> None:
    files = sorted((PACKAGE / folder).rglob("*.py"))
    found = [f"{path.name} {fault}" for path in files for fault in kernel_faults(path.read_text(encoding="utf-8"))]
    assert not found, "\n".join(found)


def test_the_rules_kernels_hold_no_libm() -> None:
    """They count in float64, where a literal costs nothing."""
    files = sorted((PACKAGE / "controllers").rglob("*.py"))
    functions = [f for path in files for f in compiled(ast.parse(path.read_text(encoding="utf-8")))]
    assert functions and not [fault for function in functions for fault in libm(function)]


def test_the_exceptions_are_still_needed() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (PACKAGE / "network").rglob("*.py")]
    functions = [function for source in sources for function in compiled(ast.parse(source))]
    assert {function.name for function in functions if any(literals(function))} >= BOOKS


@pytest.mark.parametrize(
    ("line", "faults"),
    [
        ("x * 0.5", 1),
        ("x * -0.5", 1),
        ("math.sqrt(x)", 1),
        ("np.exp(x)", 1),
        ("numpy.log(x)", 1),
        ("np.float32(0.5 * x)", 1),
        ("x * np.float32(0.5)", 0),
        ("x * HALF + np.sqrt(x) + approx.exp(x)", 0),
        ("x[0] + 1", 0),
    ],
)
@pytest.mark.parametrize("mark", ["kernel", "scalar", "jit.kernel"])
def test_a_made_up_kernel_is_judged(mark: str, line: str, faults: int) -> None:
    assert len(kernel_faults(f"@{mark}\ndef f(x):\n    '''Half of 0.5.'''\n    return {line}\n")) == faults
    assert kernel_faults(f"def f(x):\n    return {line}\n") == []
