"""Model names, resolved without importing a model library: "lab", a folder in Hugging Face format, or a hub id."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from visplay.errors import ModelError


def model_name(name: str) -> str:
    """The folder of the embedded model for "lab"; any other name unchanged."""
    return str(resources.files("visplay") / "lab" / "model") if name == "lab" else name


def check_name(name: str) -> None:
    """ModelError if a model name is neither a folder nor of the form owner/name; asks no hub."""
    # For other names, a request to the hub fails only after a long wait.
    if re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", name) is None and not Path(name).is_dir():
        raise ModelError(f"no model folder '{name}'; give a folder or a hub id such as Qwen/Qwen2.5-VL-3B-Instruct")
