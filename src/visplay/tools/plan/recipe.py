"""The recipe of a model for which no preset is named, and warnings about settings that were made for the lab's model.

The recipe is the largest shipped one that fits in the memory of this machine by the plan; nothing is loaded for that.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image
from transformers import AutoConfig

from visplay.config import Settings
from visplay.errors import ConfigError, ModelError
from visplay.models.names import check_name, model_name
from visplay.models.vlm import check_model
from visplay.tools.plan.blank import Blank
from visplay.tools.plan.plan import Plan, count_image_tokens, plan_model
from visplay.tools.plan.table import conclusion
from visplay.types import ImageRef

MOST_OF_LAB = 100_000_000  # parameters of a model for which the lab's settings may be meant
RECIPES = ("7b-80gb", "3b-24gb")  # from the most demanding
MOST_RATES = {"lora": 1e-5, "full": 1e-6}  # learning rates of the recipes
_SIZES = ((2048, 2048), (2048, 1536), (2048, 1024))  # of large images; a limit of pixels is met by one of the shapes

Build = Callable[[str, list[str]], Settings]
"""The settings of a preset with changes, and then with what the user changed."""


class Chosen(NamedTuple):
    """The preset for a model, its settings, and the conclusion of its plan; empty for the lab's."""

    model: str
    size: int
    preset: str
    settings: Settings
    told: str = ""

    @property
    def fits(self) -> bool:
        return not self.told or self.told.startswith("fits")

    def line(self) -> str:
        """What was chosen for which size, and whether it fits."""
        return f"recipe {self.preset} for '{self.model}' of {self.size / 1e9:.2f} billion parameters {self.told}"


def choose_recipe(model: str, build: Build, memory: int, processes: int = 1, *, trusted: bool = False) -> Chosen:
    """The recipe for a model on devices of `memory` bytes: the first of `RECIPES` that fits, else the last.

    Up to 100 M parameters it is the preset `default`.

    Raises:
        ModelError: the model is missing, or cannot be built from its configuration.
        ConfigError: a change of the user is wrong.
    """
    size = parameters(model, trusted)
    if size <= MOST_OF_LAB:
        return Chosen(model, size, "default", build("default", []))
    for recipe in RECIPES:
        settings, tokens = _suited(recipe, build)
        plan = _plan(settings, memory, tokens, processes)
        if plan.free < 0 and recipe != RECIPES[-1]:
            continue  # advice on how to make it fit takes long
        chosen = Chosen(model, size, recipe, settings, conclusion(plan))
        if chosen.fits:
            break
    return chosen


def lab_warnings(settings: Settings, processes: int = 1) -> Iterator[str]:
    """A line for each setting of a named preset that does not suit a model of more than 100 M parameters."""
    if settings.model == "lab":
        return
    try:
        size = parameters(settings.model, settings.trust_remote_code)
        if size <= MOST_OF_LAB:
            return
        yield from rate_warnings(settings, size)
        tokens = _image_tokens(settings)
        told = conclusion(_plan(settings, memory_found(settings.device), tokens, processes))
    except (ConfigError, ModelError):  # what cannot be counted is met again when the model is loaded
        return
    if not told.startswith("fits"):
        yield f"warning: by the plan, the run {told}"


def rate_warnings(settings: Settings, size: int) -> Iterator[str]:
    """A line for each learning rate that is larger than those of the recipes, for a model of `size` parameters."""
    most = MOST_RATES[settings.tune]
    rates = {"rl": settings.rl.learning_rate, "questioner": settings.questioner.learning_rate}
    for section, rate in rates.items():
        if size > MOST_OF_LAB and rate is not None and rate > most:
            yield (
                f"warning: {section}.learning_rate={rate:g} is for the lab's model of 2.7 million parameters; this one "
                f"has {size / 1e9:.2f} billion, and recipes have at most {most:g} with tune={settings.tune}"
            )


def parameters(model: str, trust_remote_code: bool = False) -> int:
    """The number of a model's parameters by its configuration; raises ModelError."""
    name = model_name(model)
    check_name(name)
    check_model(name, trust_remote_code)
    config = AutoConfig.from_pretrained(name, trust_remote_code=trust_remote_code)
    blank = Blank.of(name, config, "bfloat16", trust_remote_code)
    return sum(parameter.numel() for parameter in blank.model.parameters())


def memory_found(device: str = "auto") -> int:
    """Bytes of the device that a run would use: a GPU's, or the main memory that this process may take."""
    if torch.cuda.is_available() and device.startswith(("auto", "cuda")):
        return int(torch.cuda.get_device_properties(device if ":" in device else 0).total_memory)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    except (OSError, ValueError):  # no limit
        return memory


def _suited(recipe: str, build: Build) -> tuple[Settings, int | None]:
    """A recipe, without its limit of pixels where the family has none; and the most tokens of an image, if known."""
    settings = build(recipe, [])
    tokens = _image_tokens(settings)
    if tokens is None:
        without = build(recipe, ["max_pixels=null"])
        tokens = _image_tokens(without)
        settings = settings if tokens is None else without
    return settings, tokens


def _image_tokens(settings: Settings) -> int | None:
    """The most tokens of a large image; None if they cannot be counted with these settings."""
    name = model_name(settings.model)
    images = []
    for size in _SIZES:
        Image.new("RGB", size).save(content := io.BytesIO(), "PNG")
        images.append(ImageRef(f"{size}", content.getvalue()))
    config = AutoConfig.from_pretrained(name, trust_remote_code=settings.trust_remote_code)
    try:
        return count_image_tokens(name, config, settings, images)[1]
    except ConfigError:
        return None


def _plan(settings: Settings, memory: int, image_tokens: int | None, processes: int) -> Plan:
    if not torch.cuda.is_available():
        settings = settings.model_copy(update={"device": "cpu"})
    return plan_model(
        model_name(settings.model), settings, memory=memory, image_tokens=image_tokens, processes=processes
    )
