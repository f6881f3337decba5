"""`visplay plan`: what a run will need."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from visplay.cli.common import IMPORT, PRESET, SET, TRUST, check_at_least_one
from visplay.cli.terminal import say

if TYPE_CHECKING:
    from visplay.config import Settings


def add_flags(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("model", metavar="MODEL", help="'lab', a folder in Hugging Face format, or a hub id")
    add("--gpu-memory", metavar="SIZE", help="such as 24GB or 80GiB; default: this GPU's, else 24GB")
    add("--images", metavar="SOURCE", help="as for evolve; the tokens of its images are counted")
    add("--image-tokens", type=int, metavar="N", help="tokens per image, instead of counting; default: 1024")
    add("--preset", **PRESET)
    add("--set", **SET)
    add("--import", **IMPORT)
    add("--trust-remote-code", **TRUST)
    add("--tflops", type=float, default=60.0, help="TFLOP/s reached, not peak; default: %(default)s")
    add("--processes", type=int, default=1, metavar="N", help="as for evolve: GPUs that share the work")


def run(options: argparse.Namespace) -> int:
    """Print the plan; returns 1 if the run does not fit."""
    from visplay.config import load_settings
    from visplay.models.names import check_name, model_name

    check_at_least_one("--processes", options.processes)
    given = {"model": options.model} | ({"images": options.images} if options.images else {})
    trusted = options.trust_remote_code

    def build(preset: str, before: Sequence[str]) -> Settings:
        return load_settings(preset, [*before, *options.set], given, trust_remote_code=trusted)

    lab = options.preset is None and options.model == "lab"
    settings = build("default" if lab else options.preset, []) if lab or options.preset else None
    name = model_name(options.model)
    check_name(name)
    from visplay.tools.plan.plan import device_bytes, plan_model
    from visplay.tools.plan.recipe import choose_recipe
    from visplay.tools.plan.table import plan_lines

    memory = device_bytes(options.gpu_memory)
    if settings is None:
        chosen = choose_recipe(options.model, build, memory, options.processes, trusted=trusted)
        settings = chosen.settings
        say(f"preset {chosen.preset}")
    images = settings.images.open(settings.seed).images if options.images else None
    plan = plan_model(name, settings, images, memory, options.image_tokens, options.tflops, options.processes)
    say(*plan_lines(plan))
    return 0 if plan.fits else 1
