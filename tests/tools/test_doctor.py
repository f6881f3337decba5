"""What `visplay doctor` says of packages and devices, and when it says that something is wrong."""

from __future__ import annotations

import importlib
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement

from visplay.cli.main import main
from visplay.tools.doctor import (
    Finding,
    devices,
    examine,
    gpu_problem,
    healthy,
    import_problem,
    installed_version,
    packages,
    report,
)

REQUIRES = [
    "torch>=2.13",
    "transformers<5.20,>=5.18",
    "tomli; python_version < '3.0'",
    "vllm>=0.30; extra == 'vllm'",
    "pytest; extra == 'dev'",
]


def _found(requires: list[str], installed: dict[str, str]) -> dict[str, Finding]:
    return {finding.what: finding for finding in packages(requires, installed.get)}


def test_here_everything_required_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    told = capsys.readouterr().out
    names = [one.name for one in map(Requirement, metadata.requires("visplay") or []) if one.marker is None]
    for name in names:
        assert f"{name} " in told and metadata.version(name) in told
    assert "token trees with" in told and "everything that is required is there" in told


def test_a_torch_that_cannot_be_imported_is_told_and_fails() -> None:
    code = (
        "import sys; sys.modules |= {'torch': None, 'transformers': None}; "
        "from visplay.cli.main import main; sys.exit(main(['doctor']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and done.stderr == ""
    assert "torch: cannot be imported" in done.stdout and "everything" not in done.stdout


def test_each_range_is_held_to_what_is_installed() -> None:
    found = _found(REQUIRES, {"torch": "2.13.0+cpu", "transformers": "5.20.1"})
    assert not found["torch"].problem
    assert found["transformers"].required and "<5.20" in found["transformers"].problem
    assert "tomli" not in found and "pytest" not in found
    assert not healthy(list(found.values()))
    assert healthy(list(_found(REQUIRES, {"torch": "2.14", "transformers": "5.19.0"}).values()))


def test_a_missing_requirement_names_the_command_that_installs_it() -> None:
    found = _found(REQUIRES, {"torch": "2.13"})["transformers"]
    assert found.found == "missing" and found.problem.startswith("pip install 'transformers")


def test_an_extra_is_named_where_there_is_one_and_else_the_package() -> None:
    found = _found(REQUIRES, {})
    assert found["vllm"].found.endswith("pip install 'visplay[vllm]'")
    assert found["torchvision"].found.endswith("pip install 'torchvision'")
    assert not found["vllm"].problem  # what is not required may be missing
    assert "visplay is written for >=0.30" in _found(REQUIRES, {"vllm": "0.2"})["vllm"].problem


def test_every_extra_that_is_named_exists() -> None:
    extras = set(metadata.metadata("visplay").get_all("Provides-Extra") or [])
    named = [line.partition("visplay[")[2].partition("]")[0] for line in report(examine()) if "visplay[" in line]
    assert set(named) <= extras


def test_a_package_that_cannot_be_imported_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_vision.py").write_text("raise RuntimeError('operator nms\\ndoes not exist')")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    problem = import_problem("broken_vision")
    assert "operator nms does not exist" in problem and "pip install --force-reinstall broken_vision" in problem
    assert "\n" not in problem and import_problem("json") == ""


@pytest.mark.parametrize(
    ("gpu", "built_for", "works", "word"),
    [
        (True, None, False, "without CUDA"),
        (True, "13.0", False, "driver"),
        (True, "13.0", True, ""),
        (False, None, False, ""),
    ],
)
def test_a_gpu_that_is_not_used(gpu: bool, built_for: str | None, works: bool, word: str) -> None:
    problem = gpu_problem(gpu, built_for, works)
    assert word in problem and bool(problem) == bool(word)


def test_devices_say_what_they_can() -> None:
    found = {finding.what: finding.found for finding in devices()}
    assert "a dense mask" in found["CPU"] and "GB" in found["CPU"] and "bfloat16" in found["CPU"]
    assert sum(name.startswith("cuda") for name in found) == torch.cuda.device_count()


def test_problems_come_last_a_line_each_and_only_required_ones_fail() -> None:
    findings = [
        Finding("a", "1.0"),
        Finding("b", "broken", "mend it"),
        Finding("c", "missing", "get it", required=True),
    ]
    assert list(report(findings))[-2:] == ["b: mend it", "c: get it"]
    assert healthy(findings[:2]) and not healthy(findings)


def test_a_package_that_is_not_there_has_no_version() -> None:
    assert installed_version("no-such-package-of-any-kind") is None
