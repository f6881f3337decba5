"""`visplay plan`: what a run will need."""

from __future__ import annotations

import argparse

from visplay.cli.common import PRESET, SET, check_at_least_one
from visplay.cli.terminal import say


def add_flags(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("model", metavar="MODEL", help="'lab', a folder in Hugging Face format, or a hub id")
    add("--gpu-memory", metavar="SIZE", help="such as 24GB or 80GiB; default: this GPU's, else 24GB")
    add("--images", metavar="SOURCE", help="as for evolve; the tokens of its images are counted")
    add("--image-tokens", type=int, metavar="N", help="tokens per image, instead of counting; default: 1024")
    add("--preset", **PRESET)
    add("--set", **SET)
    add("--tflops", type=float, default=60.0, help="TFLOP/s reached, not peak; default: %(default)s")
    add("--processes", type=int, default=1, metavar="N", help="as for evolve: GPUs that share the work")


def run(options: argparse.Namespace) -> int:
    """Print the plan; returns 1 if the run does not fit."""
    from visplay.config import load_settings
    from visplay.models.names import check_name, model_name

    check_at_least_one("--processes", options.processes)
    settings = load_settings(options.preset, options.set, {"images": options.images} if options.images else {})
    name = model_name(options.model)
    check_name(name)
    images = settings.images.open(settings.seed).images if options.images else None
    from visplay.tools.plan.plan import plan_model
    from visplay.tools.plan.table import plan_lines

    plan = plan_model(
        name, settings, images, options.gpu_memory, options.image_tokens, options.tflops, options.processes
    )
    say(*plan_lines(plan))
    return 0 if plan.fits else 1
