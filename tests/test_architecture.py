"""The modules import what the table of docs/architecture.md allows; a floor is the place of a room in the table."""

from __future__ import annotations

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "visplay"
PURE = tuple(
    f"visplay.{room}" for room in ("answers", "interfaces", "rl.rewards", "rl.advantages", "rl.losses", "rl.loss")
)
HUGGING_FACE = {"accelerate", "datasets", "huggingface_hub", "peft", "safetensors", "tokenizers", "transformers", "trl"}


def floors(table: str) -> dict[str, int]:
    """Height of each floor, named without its ending; the first row of the table is the highest."""
    rows = re.findall(r"^\| (`[^|]+`) \|", table, flags=re.MULTILINE)
    names = [re.findall(r"`([a-z_]+)(?:\.py|/)`", row) for row in rows]
    return {name: len(rows) - row for row, row_names in enumerate(names) for name in row_names}


def sources(package: Path) -> dict[str, str]:
    """Source text by dotted module name; a package goes by its own name."""
    found = {}
    for file in package.rglob("*.py"):
        parts = file.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file.read_text(encoding="utf-8")
    return found


def imports(source: str, known: set[str]) -> set[str]:
    """Modules that a source imports anywhere, also inside functions and for type checkers only."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written with the full name"
            origin = node.module or ""
            names = {f"{origin}.{alias.name}" for alias in node.names}
            # What is no module is a value inside `origin`.
            found |= {name if name in known else origin for name in names}
    return found


def violations(modules: dict[str, str], heights: dict[str, int]) -> list[str]:
    """Imports between floors that do not go down."""
    found = []
    for module, source in modules.items():
        for target in imports(source, set(modules)):
            here, there = floor_of(module), floor_of(target)
            if here != there and {here, there} <= heights.keys() and heights[here] <= heights[there]:
                found.append(f"{module} imports {target}")
    return sorted(found)


def floor_of(module: str) -> str:
    """Name of the floor a module stands on; empty for other packages and for the root."""
    return module.split(".")[1] if module.startswith("visplay.") else ""


@pytest.fixture(scope="module")
def modules() -> dict[str, str]:
    return sources(PACKAGE)


@pytest.fixture(scope="module")
def heights() -> dict[str, int]:
    return floors((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))


def test_the_root_has_four_modules() -> None:
    assert {file.name for file in PACKAGE.glob("*.py")} == {"__init__.py", "__main__.py", "errors.py", "types.py"}


def test_every_module_stands_on_a_floor(modules: dict[str, str], heights: dict[str, int]) -> None:
    homeless = {name for name in modules if name != "visplay" and floor_of(name) not in heights}
    assert not homeless, f"add a row to the table of docs/architecture.md for {sorted(homeless)}"
    assert {"visplay.types", "visplay.config", "visplay.data", "visplay.runs"} <= modules.keys()


def test_imports_go_down(modules: dict[str, str], heights: dict[str, int]) -> None:
    assert violations(modules, heights) == []


def test_no_circle(modules: dict[str, str]) -> None:
    graph = {name: imports(source, set(modules)) & modules.keys() for name, source in modules.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"imports in a circle: {' → '.join(error.args[1])}")


def test_only_measurement_sees_the_oracle(modules: dict[str, str]) -> None:
    """Nor does anything import the labeler that answers by it, but by the name that a control gives."""
    own = ("labelers", "labelers.true_answers", "tasks", "tasks.true_answers")
    knowing = {"visplay.lab.oracle", *(f"visplay.lab.{name}" for name in own)}
    readers = {name for name, source in modules.items() if knowing & imports(source, set(modules))}
    assert knowing <= modules.keys()
    assert {name for name in readers if floor_of(name) != "lab"} == set()


def test_rewards_answers_and_loss_know_no_hugging_face(modules: dict[str, str]) -> None:
    for name in (name for name in modules if name.startswith(PURE)):
        assert not {target.split(".")[0] for target in imports(modules[name], set(modules))} & HUGGING_FACE, name


UNPICKLING = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "multiprocessing"}
OBJECTS = re.compile(
    r"(broadcast|gather|all_gather|scatter|send|recv)_object(_list)?|read_pickle|elastic_launch|allow_pickle"
)


def unpickling(source: str) -> list[str]:
    """What in a source could run code that a file or another process sends: pickles, and what reads them unseen."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            found += [name for name in names if name.split(".")[0] in UNPICKLING or ".elastic" in name]
        elif isinstance(node, ast.Attribute) and OBJECTS.fullmatch(node.attr):
            found.append(node.attr)
        elif isinstance(node, ast.keyword) and node.arg and OBJECTS.fullmatch(node.arg):
            found.append(node.arg)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
            safe = any(k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in node.keywords)
            found += [] if safe else ["torch.load"]
    return found


def test_nothing_unpickles(modules: dict[str, str]) -> None:
    scripts = {str(file): file.read_text(encoding="utf-8") for file in (ROOT / "scripts").rglob("*.py")}
    assert {name: found for name, source in (modules | scripts).items() if (found := unpickling(source))} == {}


@pytest.mark.parametrize(
    "source, found",
    [
        ("import pickle", ["pickle"]),
        ("def f():\n    from multiprocessing.pool import Pool", ["multiprocessing.pool"]),
        ("from torch.distributed.elastic.x import y", ["torch.distributed.elastic.x"]),
        ("dist.broadcast_object_list(box)", ["broadcast_object_list"]),
        ("dist.all_gather_object(a, b)", ["all_gather_object"]),
        ("torch.load(file, weights_only=False)", ["torch.load"]),
        ("torch.load(file)", ["torch.load"]),
        ("np.load(file, allow_pickle=True)", ["allow_pickle"]),
        ("torch.load(file, weights_only=True)\ndist.broadcast(t)\njson.load(f)", []),
    ],
)
def test_what_unpickles_is_seen(source: str, found: list[str]) -> None:
    assert unpickling(source) == found


def test_every_module_says_what_it_is(modules: dict[str, str]) -> None:
    assert [name for name, source in modules.items() if not ast.get_docstring(ast.parse(source))] == []


def test_the_table_is_read_top_down() -> None:
    table = "| floor | what |\n|---|---|\n| `top.py` | `low/` |\n| `mid/`, `side.py` | x |\n| `low/` | x |\n"
    assert floors(table) == {"top": 3, "mid": 2, "side": 2, "low": 1}


@pytest.mark.parametrize(
    "source, wrong",
    [
        ("from visplay.top import x", True),
        ("from visplay import top", True),
        ("import visplay.top", True),
        ("def f():\n    from visplay.top import x", True),
        ("from visplay.side import x", True),
        ("from visplay.mid.other import x", False),
        ("from visplay.low import x", False),
        ("import numpy", False),
    ],
)
def test_an_import_that_does_not_go_down_is_seen(source: str, wrong: bool) -> None:
    modules = {name: "" for name in ("visplay", "visplay.top", "visplay.side", "visplay.low", "visplay.mid.other")}
    heights = {"top": 3, "mid": 2, "side": 2, "low": 1}
    assert bool(violations({**modules, "visplay.mid.on_device": source}, heights)) == wrong
