"""Model names, resolved without importing a model library: "lab", a folder in Hugging Face format, or a hub id."""

from __future__ import annotations

import re
from importlib import resources
from itertools import islice
from pathlib import Path

from visplay.errors import ModelError, did_you_mean


def model_name(name: str) -> str:
    """The folder of the embedded model for "lab"; any other name unchanged."""
    return str(resources.files("visplay") / "lab" / "model") if name == "lab" else name


def check_name(name: str) -> None:
    """ModelError if a model name is neither a folder nor of the form owner/name; asks no hub."""
    # For other names, a request to the hub fails only after a long wait.
    if re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", name) is None and not Path(name).is_dir():
        meant = did_you_mean(name, _near(name))
        advice = "give a folder or a hub id such as Qwen/Qwen2.5-VL-3B-Instruct"
        raise ModelError(f"no model folder '{name}'{meant}; {advice}")


def _near(name: str) -> list[str]:
    """Names that a misspelt one may mean: `lab`, and the folders beside it."""
    parent = Path(name).parent
    try:
        beside = [str(parent / folder.name) for folder in islice(parent.iterdir(), 1000) if folder.is_dir()]
    except (OSError, ValueError):  # a name with a NUL is no path
        beside = []
    return ["lab", *beside]
