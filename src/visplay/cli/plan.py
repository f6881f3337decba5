"""`visplay plan`: what a run will need."""

from __future__ import annotations

import argparse

from visplay.cli.common import Commands, add_preset, add_set, check_at_least_one


def add(commands: Commands) -> None:
    """Add the command and its flags."""
    plan = commands.add_parser("plan", help="the memory, tokens and time that a run needs")
    plan.add_argument("model", metavar="MODEL", help="'lab', a folder in Hugging Face format, or a hub id")
    plan.add_argument("--gpu-memory", metavar="SIZE", help="such as 24GB or 80GiB; default: this GPU's, else 24GB")
    plan.add_argument("--images", metavar="SOURCE", help="as for evolve; the tokens of its images are counted")
    plan.add_argument(
        "--image-tokens", type=int, metavar="N", help="tokens per image, instead of counting; default: 1024"
    )
    add_preset(plan)
    add_set(plan)
    plan.add_argument("--tflops", type=float, default=60.0, help="TFLOP/s reached, not peak; default: %(default)s")
    plan.add_argument("--processes", type=int, default=1, metavar="N", help="as for evolve: GPUs that share the work")
    plan.set_defaults(run_command=_plan)


def _plan(options: argparse.Namespace) -> int:
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
    for line in plan_lines(plan):
        print(line)
    return 0
