"""Names of models, resolved without loading a library: "lab", a folder in Hugging Face format, or a hub id."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from visplay.errors import ModelError


def model_name(name: str) -> str:
    """The folder of the embedded model for "lab"; any other name as it is."""
    return str(resources.files("visplay") / "lab" / "model") if name == "lab" else name


def check_name(name: str) -> None:
    """Refuse a name that is neither a folder nor a hub id; the hub is not asked.

    Raises:
        ModelError: it is neither.
    """
    # A hub id is owner/name; asking the hub for anything else would only take long to fail.
    if re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", name) is None and not Path(name).is_dir():
        raise ModelError(f"no model folder '{name}'; give a folder or a hub id such as Qwen/Qwen2.5-VL-3B-Instruct")
