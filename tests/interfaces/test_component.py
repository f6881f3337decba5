"""Components: named by type or by import path, refused in one line, and dumped so that they are read back."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import Field
from pydantic import ValidationError as PydanticError

from visplay.config import check_settings, dump_settings, load_settings, preset_names
from visplay.errors import ConfigError
from visplay.interfaces.component import _REGISTERED, BUILT_IN, Component, components, read_component
from visplay.interfaces.gate import Gate
from visplay.interfaces.labeler import Voter
from visplay.labeling.gates.answered import Answered
from visplay.labeling.gates.band import Band
from visplay.types import Candidate

SEAMS = ("labeler", "gate", "task_source", "questioner_reward", "reasoner_reward", "engine", "image_source", "suite")
NEEDS = {
    ("image_source", "folder"): {"path": "photos"},
    ("image_source", "lab"): {"style": "single"},
    ("image_source", "mixture"): {"parts": ["easy-vqa", "lab/pastel"]},
    ("suite", "file"): {"path": "a.jsonl"},
    ("engine", "server"): {"url": "http://a:1"},
    ("task_source", "true_answers"): {"source": {"type": "programs"}},
}
"""Settings without a default, by seam and name."""

USERS = '''
"""Gates of a user."""

from collections.abc import Sequence

from pydantic import Field

from visplay.interfaces.gate import Gate


class Short(Gate):
    """Rejects a long question.

    In words.
    """

    limit: int = Field(5, ge=1, description="most words")

    def reject(self, candidates, voter):
        return {c.question.id: "long" for c in candidates if len(c.question.text.split()) > self.limit}


class Group:
    class Inner(Short):
        pass


class Named(Short, type="users_short"):
    pass


limit = 3
'''


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The module of a user's gates; it is on the path, and forgotten afterwards."""
    name = "gates_of_a_user"
    (tmp_path / f"{name}.py").write_text(USERS)
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    sys.modules.pop(name, None)
    _REGISTERED["gate"].pop("users_short", None)


class Probe(Component, seam="probe"):
    """A seam of this test alone."""


class Counter(Probe, type="counter"):
    """Counts.

    This is no part of the summary.
    """

    start: int = Field(0, ge=0, description="first number")


def test_a_class_joins_its_seam_by_its_definition() -> None:
    class Late(Probe, type="added_late"):
        """Comes later."""

    class Private(Probe):
        """Has no name, so settings name its import path."""

    assert components("probe") == {"added_late": Late, "counter": Counter}
    assert (Late.seam, Late.type, Late().name) == ("probe", "added_late", "added_late")
    assert (Private.seam, Private.type, Private().name) == ("probe", "custom", "Private")
    assert Counter.summary() == "Counts." and Probe.summary() == "A seam of this test alone."


def test_a_type_is_given_once() -> None:
    with pytest.raises(TypeError, match=r"^probe 'counter' is defined twice: \S+:Counter and \S+:.*Other$"):

        class Other(Probe, type="counter"):
            """A second one."""

    assert components("probe")["counter"] is Counter


@pytest.mark.parametrize("seam", SEAMS)
def test_every_built_in_component_says_what_it_is_and_is_read_back(seam: str) -> None:
    found = components(seam)
    assert list(found) == sorted(found) and len(found) > 1
    for name, component in found.items():
        assert component.__module__.startswith(tuple(f"{package}." for package in BUILT_IN[seam]))
        assert (component.seam, component.type) == (seam, name)
        assert component.summary().endswith(".") and "\n" not in component.summary()
        assert all(field.description for field in component.model_fields.values()), name
        made = read_component(seam, {"type": name, **NEEDS.get((seam, name), {})})
        assert type(made) is component and made.name.startswith(name)
        assert made.as_settings()["type"] == name
        assert read_component(seam, made.as_settings()) == made


def test_a_component_is_named_in_three_ways(users: str) -> None:
    assert read_component("gate", "answered") == Answered()
    assert read_component("gate", {"type": "band", "low": 0.6}) == Band(low=0.6)
    custom = read_component("gate", {"type": "custom", "import_path": f"{users}:Short", "limit": 3})
    assert (type(custom).__name__, custom.model_dump(), custom.name) == ("Short", {"limit": 3}, "Short")
    inner = read_component("gate", {"type": "custom", "import_path": f"{users}:Group.Inner"})
    assert type(inner).__qualname__ == "Group.Inner"
    assert read_component("gate", custom) is custom


def test_the_working_directory_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gates_beside_me.py").write_text(USERS.replace(', type="users_short"', ""))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    gate = read_component("gate", {"type": "custom", "import_path": "gates_beside_me:Short"})
    assert (type(gate).__module__, gate.name) == ("gates_beside_me", "Short")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("pretty", "no gate 'pretty'; choose one of answered, band, boxed, needs_image, parsable, self_check"),
        (
            {"type": "pretty"},
            "no gate 'pretty'; choose one of answered, band, boxed, needs_image, parsable, self_check",
        ),
        ({"low": 0.5}, "name the gate by its type: one of answered, band, boxed, needs_image, parsable, self_check"),
        ({"type": ["band"]}, "name the gate by its type"),
        (3, "name the gate by its type"),
        ({"type": "band", "low": 2}, "gate 'band': low: Input should be less than or equal to 1"),
        ({"type": "band", "low": 0.9, "lo": 1}, "gate 'band': lo: Extra inputs are not permitted"),
        ({"type": "band", "import_path": "a:B"}, "gate 'band': import_path: Extra inputs are not permitted"),
        ("custom", "type: custom needs import_path: 'package.module:Class'"),
        ({"type": "custom", "import_path": "gates_of_a_user"}, "needs import_path: 'package.module:Class'"),
        ({"type": "custom", "import_path": 3}, "needs import_path: 'package.module:Class'"),
        (
            {"type": "custom", "import_path": "nowhere_at_all:Gate"},
            "import_path 'nowhere_at_all:Gate' cannot be imported",
        ),
        (
            {"type": "custom", "import_path": "gates_of_a_user:Long"},
            "import_path 'gates_of_a_user:Long' cannot be imported",
        ),
        (
            {"type": "custom", "import_path": "gates_of_a_user:limit"},
            "import_path 'gates_of_a_user:limit' is not a subclass of visplay.interfaces.gate.Gate",
        ),
        (
            {"type": "custom", "import_path": "visplay.labeling.labelers.majority:Majority"},
            "is not a subclass of visplay.interfaces.gate.Gate",
        ),
        (
            {"type": "custom", "import_path": "gates_of_a_user:Short", "limit": 0},
            "gate 'custom': limit: Input should be",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(users: str, value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as raised:
        read_component("gate", value)
    assert "\n" not in str(raised.value)
    with pytest.raises(ConfigError, match=r"^here: silver\.gates\.1: ") as raised:
        check_settings({"silver": {"gates": ["band", value]}}, "here")
    assert said in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("class Broken(:", "SyntaxError: "),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        (
            "from visplay.interfaces.gate import Gate\nclass Band(Gate, type='band'): pass",
            "TypeError: gate 'band' is defined",
        ),
        ("from visplay.interfaces.gate import Gate\nclass Band(Gate):\n    low = 3", "PydanticUserError: "),
    ],
)
def test_what_a_users_module_raises_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    assert "band" in components("gate")
    (tmp_path / "broken_gates.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=re.escape(f"'broken_gates:Band' cannot be imported: {said}")) as raised:
        read_component("gate", {"type": "custom", "import_path": "broken_gates:Band"})
    assert "\n" not in str(raised.value)
    assert components("gate")["band"] is Band


@pytest.mark.parametrize("preset", preset_names())
def test_components_of_a_preset_are_dumped_and_read_back(tmp_path: Path, preset: str) -> None:
    settings = load_settings(preset, ["evaluation.suites=[lab/counting, items.csv]"], {"images": "lab/single"})
    file = tmp_path / "config.yaml"
    file.write_text(dump_settings(settings), encoding="utf-8")
    again = load_settings(str(file))
    assert again == settings and dump_settings(again) == dump_settings(settings)
    assert [type(gate) for gate in again.silver.gates] == [type(gate) for gate in settings.silver.gates]


@pytest.mark.parametrize("name", ["Short", "Group.Inner", "Named"])
def test_a_users_component_is_read_back_by_another_process(tmp_path: Path, users: str, name: str) -> None:
    """Also a named one: its name is known only to who has imported it."""
    gate = {"type": "custom", "import_path": f"{users}:{name}", "limit": 2}
    settings = check_settings({"silver": {"gates": ["answered", gate]}}, "here")
    file = tmp_path / "config.yaml"
    file.write_text(dump_settings(settings), encoding="utf-8")
    assert load_settings(str(file)) == settings
    script = f"""
import {users}
from visplay.config import load_settings
_, gate = load_settings({str(file)!r}).silver.gates
print(type(gate).__qualname__, gate.limit)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [name, "2"]


def test_a_component_can_be_given_as_an_object() -> None:
    class Mine(Gate):
        """Rejects everything."""

        compares: ClassVar[bool] = True

        def reject(self, candidates: Sequence[Candidate], voter: Voter) -> dict[str, str]:
            return {c.question.id: "everything" for c in candidates}

    settings = load_settings("paper-lab", values={"silver": {"gates": (Mine(), "band")}})
    assert settings.silver.gates == (Mine(), Band())


def test_a_component_cannot_be_changed() -> None:
    with pytest.raises(PydanticError, match="frozen"):
        Band().low = 0.5


WATCHED = """
import sys
from visplay.config import load_settings, preset_names, dump_settings
for preset in preset_names():
    dump_settings(load_settings(preset, ["vote_engine={type: vllm}"]))
    load_settings(preset, ["images=lab/single", "evaluation.suites=[lab, easy_vqa, a.csv]"])
print([name for name in ("torch", "transformers", "vllm", "peft") if name in sys.modules])
"""


def test_settings_are_read_without_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WATCHED], env={"PYTHONPATH": ":".join(sys.path)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
