"""What this machine has for visplay, what is missing, what is broken, and the command that mends it.

Ranges and extras are read from the installed package's own metadata. Left out: whether a model fits, which is
`visplay plan`'s, and which path a model takes, which a run's probe finds out. Nothing heavy is imported at the top,
so that a missing torch can be told of, too.
"""

from __future__ import annotations

import importlib
import os
import platform
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# What is not required, and what for; an extra that has it is named, else the package itself.
OPTIONAL = {
    "bitsandbytes": "weights in 4 bits, optimizer states in 8",
    "vllm": "faster rollouts",
    "lmms-eval": "public benchmarks",
    "torchvision": "image processors of families that have none for Pillow",
}
_DEVELOPMENT = "dev"  # an extra that only those need who work on visplay


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what, found: its name and what was found, a line together.
        problem: what is wrong and what to do; empty where nothing is.
        required: whether visplay cannot work with that problem.
    """

    what: str
    found: str
    problem: str = ""
    required: bool = False


def examine() -> list[Finding]:
    """Look at Python, packages and devices."""
    found = [Finding("Python", f"{platform.python_version()} on {platform.platform()}")]
    try:
        own = metadata.distribution("visplay")
    except metadata.PackageNotFoundError:
        found.append(Finding("visplay", "not installed", "install it from its folder: pip install -e .", True))
    else:
        requires = own.requires or []
        found.append(Finding("visplay", own.version, *_python(own.metadata["Requires-Python"])))
        found += packages(requires, installed_version)
    unusable = import_problem("torch")
    if unusable:
        return [*found, Finding("torch", "broken", unusable, required=True)]
    return [*found, *devices(), *broken()]


def report(findings: Sequence[Finding]) -> Iterator[str]:
    """What was found, a line each, and after it every problem in a line."""
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        yield f"{finding.what:{width}}  {finding.found}"
    problems = [finding for finding in findings if finding.problem]
    yield ""
    for finding in problems:
        yield f"{finding.what}: {finding.problem}"
    if not any(finding.required for finding in problems):
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
    """Required packages, then optional ones with the command that installs each missing one.

    Args:
        requires: requirements as a package's metadata lists them.
        version: of a package, None where it is not installed.
    """
    needed, extras = [], dict.fromkeys(OPTIONAL, ("", Requirement("x")))
    for one in map(Requirement, requires):
        extra = re.search(r"extra == [\"']([\w-]+)", str(one.marker or ""))
        if extra and extra[1] != _DEVELOPMENT:
            name = canonicalize_name(one.name)
            extras[name] = extras[name] if extras.get(name, ("",))[0] else (extra[1], one)
        elif not extra and (one.marker is None or one.marker.evaluate({"extra": ""})):
            needed.append(_package(one.name, version(one.name), one, f"pip install '{one.name}{one.specifier}'", ""))
    return [*needed, *(_added(name, version(name), extra, one) for name, (extra, one) in extras.items())]


def _added(name: str, there: str | None, extra: str, one: Requirement) -> Finding:
    install = f"pip install 'visplay[{extra}]'" if extra else f"pip install {name}"
    return _package(name, there, one, install, OPTIONAL.get(name, f"extra '{extra}'"))


def _package(name: str, there: str | None, one: Requirement, install: str, purpose: str) -> Finding:
    """A package as it is installed; it is required where it has no purpose of its own."""
    if there is None:
        return Finding(name, f"missing ({purpose}): {install}") if purpose else Finding(name, "missing", install, True)
    if not one.specifier.contains(there, prereleases=True):
        return Finding(name, there, f"visplay is written for {one.specifier}: {install}", not purpose)
    return Finding(name, f"{there} ({purpose})" if purpose else there)


def devices() -> list[Finding]:
    """What can compute, its memory, its number types, and how token trees are attended to on it."""
    import torch

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    found = [Finding("CPU", f"{os.cpu_count()} cores, {memory / 1e9:.0f} GB, bfloat16 (slow); {_attention('cpu')}")]
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        card = torch.cuda.get_device_properties(index)
        types = "bfloat16" if torch.cuda.is_bf16_supported() else "no bfloat16"
        about = f"{card.name}, {card.total_memory / 1e9:.1f} GB, {types}; {_attention(f'cuda:{index}')}"
        found.append(Finding(f"cuda:{index}", about))
    if torch.backends.mps.is_available():
        found.append(Finding("mps", f"shares the memory of the CPU; {_attention('mps')}"))
    found.append(Finding("engine", "transformers in this process; plain sequences where a model's trees are not valid"))
    return found


def broken() -> list[Finding]:
    """What is installed and does not work."""
    import torch

    found = []
    if installed_version("torchvision"):
        problem = import_problem("torchvision")
        found = [Finding("torchvision", "imported" if not problem else "broken", problem)]
    gpu = bool(shutil.which("nvidia-smi")) or Path("/dev/nvidia0").exists()
    problem = gpu_problem(gpu, torch.version.cuda, torch.cuda.is_available())
    return [*found, Finding("GPU", "not used", problem)] if problem else found


def import_problem(package: str) -> str:
    """Why an installed package cannot be imported and what to do; empty where it can."""
    try:
        importlib.import_module(package)
    except Exception as error:  # whatever a package may raise as it is imported
        reason = " ".join(str(error).split())[:200]
        return (
            f"cannot be imported ({type(error).__name__}: {reason}); install it anew, in the build that fits this "
            f"machine and the torch that is there: pip install --force-reinstall {package}"
        )
    return ""


def gpu_problem(gpu: bool, built_for: str | None, works: bool) -> str:
    """Why a GPU that is there is not used; empty where there is none or it is.

    Args:
        built_for: CUDA version that torch was built for, None for none.
        works: torch can use CUDA.
    """
    if not gpu or works:
        return ""
    if built_for is None:
        return "there is an NVIDIA GPU, but torch was built without CUDA; install its CUDA build"
    return f"there is an NVIDIA GPU, but torch cannot use it; its driver must allow CUDA {built_for}, and be visible"


def _attention(device: str) -> str:
    import torch

    from visplay.models.attention import flex_runs

    dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
    fused = flex_runs(torch.device(device), dtype, 8, 2, 64)
    return f"token trees with {'FlexAttention' if fused else 'a dense mask'}"


def _python(wanted: str | None) -> tuple[str, bool]:
    there = platform.python_version()
    if wanted is None or Requirement(f"python{wanted}").specifier.contains(there, prereleases=True):
        return "", False
    return f"it is written for Python {wanted}, this is {there}; make its environment with another Python", True
