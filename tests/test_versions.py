"""Versions that several files repeat are the same in all of them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

import visplay

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def read_yaml(path: str) -> dict[str, object]:
    content = yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def test_the_version_of_the_package() -> None:
    assert visplay.__version__ == PROJECT["version"]
    assert read_yaml("CITATION.cff")["version"] == PROJECT["version"]


def test_ruff_of_pre_commit_and_of_the_environment() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    pinned = re.findall(r"^ruff==(.+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert re.findall(r"ruff-pre-commit\n +rev: v(.+)$", hooks, re.MULTILINE) == pinned


def test_python_versions_of_the_workflow_and_of_the_package() -> None:
    classifiers = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    matrix = re.findall(r"^ +python: (\[.+\])$", workflow, re.MULTILINE)
    assert [yaml.safe_load(versions) for versions in matrix] == [classifiers]


def test_every_direct_dependency_is_pinned() -> None:
    extras = PROJECT["optional-dependencies"]
    wanted = [*PROJECT["dependencies"], *extras["dev"], *extras["docs"], *extras["quant"], *extras["smolvlm"]]
    names = {re.split(r"[\[<>=]", one)[0] for one in wanted} - {"visplay"}
    pinned = re.findall(r"^([\w.-]+)==", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert {name.lower() for name in names} - {name.lower() for name in pinned} == set()
