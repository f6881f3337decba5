"""`visplay plan`: what a run will need."""

from __future__ import annotations

import argparse

from visplay.cli.common import Verbs


def add(verbs: Verbs) -> None:
    """Its flags."""
    plan = verbs.add_parser("plan", help="what a run needs: memory, tokens, time; from a model's configuration alone")
    plan.add_argument("model", metavar="MODEL", help="'lab', a folder in Hugging Face format, or a hub id")
    plan.add_argument("--gpu-memory", metavar="SIZE", help="such as 24GB or 80GiB; default: this GPU's, else 24GB")
    plan.add_argument("--images", metavar="SOURCE", help="as for evolve: their tokens are counted")
    plan.add_argument("--image-tokens", type=int, metavar="N", help="tokens per image, not counted; default: 1024")
    plan.add_argument("--preset", default="default", help="default, votes, paper, official, or a YAML file")
    plan.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any setting of the preset")
    plan.add_argument("--tflops", type=float, default=60.0, help="TFLOP/s reached, not the peak; default: %(default)s")
    plan.add_argument("--processes", type=int, default=1, metavar="N", help="as for evolve: GPUs that share the work")
    plan.set_defaults(verb=_plan)


def _plan(options: argparse.Namespace) -> int:
    from visplay.config import load_settings
    from visplay.selfplay.state import model_name
    from visplay.tools.plan.plan import plan_model
    from visplay.tools.plan.table import plan_lines

    settings = load_settings(options.preset, options.set, {"images": options.images} if options.images else {})
    images = settings.images.open(settings.seed).images if options.images else None
    name = model_name(options.model)
    plan = plan_model(
        name, settings, images, options.gpu_memory, options.image_tokens, options.tflops, options.processes
    )
    for line in plan_lines(plan):
        print(line)
    return 0
