"""One GRPO update of a group: forward, loss, backward, clip, AdamW step; with --kl the reference's pass too.

Ours: `visplay.rl.trainer.Trainer.step`, one token tree. Peer: TRL's own `GRPOTrainer`, on the inputs
that it makes itself of the same image, prompt, completions and rewards, one sequence a row as always.
Both train the same weights in float32 with the same AdamW; image preprocessing is done beforehand for
both. Each round has a new image, so a frozen tower looks once a round in ours too.

The peer is there twice. "peer" does without gradient checkpointing, which makes it faster;
"peer_checkpointed" has TRL's own default, checkpointing, which takes less memory. `ratio` is about
"peer". On a CPU TRL scores every position of a sequence, on a GPU those of the completion alone;
`--peer-compact-head` lets it do the latter here too.

Peak memory is that of a process that does nothing but set one side up and take two updates; the
baseline is what that process holds right before the first.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import psutil
import torch

from benchmarks import floor, shapes
from benchmarks.paired import Result, Task, alternate, fix_threads, parser, report
from benchmarks.trl_update import TrlUpdate
from visplay.config import LoraSettings, RLSettings
from visplay.models.policy import new_policy
from visplay.models.vlm import VLM
from visplay.rl.advantages.group_norm import GroupNorm
from visplay.rl.trainer import Trainer
from visplay.roles.prompts import Prompts
from visplay.selfplay.logger import peak_memory_bytes
from visplay.types import Completion, Group, ImageRef, Request

KL = 0.01
TOLERANCE = 1e-4
CONTENDERS = ("ours", "peer", "peer_checkpointed")


def main() -> None:
    args = _options()
    fix_threads(args.threads)
    contenders = ["ours", *["peer"] * args.peer, *["peer_checkpointed"] * (args.peer and args.checkpointed)]
    # First of all: a process begins with the peak its parent had reached.
    memory = {c: _memory_of(c) for c in contenders} if args.memory and not args.alone else None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shapes.save_model(folder, args.image_tokens)
        if args.alone:
            print(json.dumps(_memory_alone(args, folder)))
        else:
            report(_measure(args, contenders, folder, memory), args.json)


def _measure(args: argparse.Namespace, contenders: list[str], folder: Path, memory: dict[str, Any] | None) -> Result:
    updates = {contender: _contender(contender, args, folder) for contender in contenders}
    gradients = {contender: _first_gradient(update) for contender, update in updates.items()}
    tasks = {contender: _task(update, args) for contender, update in updates.items()}
    seconds = alternate({**tasks, "matrix_product": floor.matrix_product}, args.repeats)
    product_seconds = seconds.pop("matrix_product")
    ours = updates["ours"]
    agreement = {
        contender: _differences(ours.found, updates[contender].found, gradients["ours"], gradients[contender])
        for contender in contenders[1:]
    }
    prompt_tokens = len(VLM.load(folder, device="cpu").encode(*_prompt(args, 0)).token_ids)
    operations = _operations(args, ours.model, prompt_tokens)
    return Result(
        benchmark="update",
        seconds=seconds,
        sizes={
            "group": args.group,
            "completion_tokens": args.tokens,
            "image_tokens": args.image_tokens,
            "prompt_tokens": prompt_tokens - args.image_tokens,
            "parameters": sum(p.numel() for p in ours.model.parameters()),
            "vision": "frozen" if args.freeze_vision else "trained",
            "kl": KL if args.kl else 0.0,
            "peer_head": "completions" if args.peer_compact_head else "all positions",
        },
        threads=args.threads,
        floor_seconds=floor.floor_seconds(operations, product_seconds),
        details={"last": ours.found[-1], "agreement": agreement, "operations": operations},
        peak_memory_bytes=memory,
    )


def _options() -> argparse.Namespace:
    options = parser(__doc__, repeats=5)
    options.add_argument("--image-tokens", type=int, default=256, help="of the image (default %(default)s)")
    options.add_argument("--group", type=int, default=8, help="G, completions (default %(default)s)")
    options.add_argument("--tokens", type=int, default=128, help="of each completion (default %(default)s)")
    options.add_argument("--peer", action=argparse.BooleanOptionalAction, default=True, help="else no ratio")
    options.add_argument("--kl", action="store_true", help="with the penalty and so the reference's pass, in both")
    options.add_argument("--freeze-vision", action="store_true", help="train the language model alone, in both")
    options.add_argument("--peer-compact-head", action="store_true", help="TRL scores completion tokens alone")
    options.add_argument(
        "--checkpointed", action=argparse.BooleanOptionalAction, default=True, help="TRL with checkpointing as well"
    )
    options.add_argument("--memory", action=argparse.BooleanOptionalAction, default=True, help="peak memory as well")
    options.add_argument("--alone", choices=CONTENDERS, help="take two updates, print the memory, nothing else")
    return options.parse_args()


class Update(Protocol):
    """One side; `found` has what each update said of itself: loss, entropy, grad_norm and, with a penalty, kl."""

    model: Any
    optimizer: torch.optim.Optimizer
    found: list[dict[str, float]]

    def prepare(self, group: Group) -> Callable[[], object]:
        """Makes everything ready; what it returns is the update."""


class OurUpdate:
    """Our trainer."""

    def __init__(self, folder: Path, settings: RLSettings, train_vision: bool) -> None:
        policy = new_policy(VLM.load(folder, device="cpu"), "reasoner", "full", LoraSettings(), train_vision)
        self.vlm = policy.vlm
        self.model: Any = policy.model
        self.trainer = Trainer(policy, settings)
        self.optimizer: torch.optim.Optimizer = self.trainer.optimizer
        self.found: list[dict[str, float]] = []

    def prepare(self, group: Group) -> Callable[[], object]:
        self.vlm.encode(group.request.image, group.request.prompt)
        return lambda: self.found.append(self.trainer.step([group]))


def _contender(name: str, args: argparse.Namespace, folder: Path) -> Update:
    settings = RLSettings(
        learning_rate=1e-6,  # TRL's default
        weight_decay=0.0,
        kl=KL if args.kl else 0.0,
        advantages=GroupNorm(epsilon=1e-4),  # TRL's constant
        averaging="token",  # TRL's default; the same as "sequence" for completions of one length
    )
    update: Update
    if name == "ours":
        update = OurUpdate(folder, settings, not args.freeze_vision)
    else:
        checkpointing = name == "peer_checkpointed"
        update = TrlUpdate(folder, settings, not args.freeze_vision, args.group, checkpointing, args.peer_compact_head)
    _move_from_reference(update.model)
    return update


def _move_from_reference(model: torch.nn.Module) -> None:
    """A step away from the weights it began with, the same in all contenders: else the KL penalty would be 0."""
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.randn(parameter.shape, generator=random)
            if parameter.ndim > 1 and "visual" not in name:
                parameter.add_(noise, alpha=0.005)


def _first_gradient(update: Update) -> dict[str, torch.Tensor]:
    """Filled in the round that warms up with each weight's gradient as the optimizer gets it."""
    found: dict[str, torch.Tensor] = {}

    def note(*_: object) -> None:
        if not found:
            found.update({n: p.grad.clone() for n, p in update.model.named_parameters() if p.grad is not None})

    update.optimizer.register_step_pre_hook(note)
    return found


def _task(update: Update, args: argparse.Namespace) -> Task:
    return lambda number: update.prepare(_group(args, number))


def _prompt(args: argparse.Namespace, number: int) -> tuple[ImageRef, str]:
    """A round's image of noise, and the Questioner's prompt."""
    return shapes.noise(f"noise-{number}", args.image_tokens, number), Prompts().questioner


def _group(args: argparse.Namespace, number: int) -> Group:
    """Random completions, random rewards."""
    rng = np.random.default_rng([11, number])
    request = Request(f"update/{number}", *_prompt(args, number), n=args.group)
    completions = tuple(
        Completion(request.id, i, shapes.random_tokens(args.tokens, rng), (0.0,) * args.tokens, "", False)
        for i in range(args.group)
    )
    return Group(request, completions, tuple(rng.random(args.group).tolist()))


def _differences(
    ours: list[dict[str, float]],
    theirs: list[dict[str, float]],
    our_gradient: dict[str, torch.Tensor],
    their_gradient: dict[str, torch.Tensor],
) -> dict[str, float]:
    """The largest over all rounds; gradients relative to their norm, and each weight's in the first round.

    Raises:
        SystemExit: more than rounding explains.
    """
    rounds = list(zip(ours, theirs, strict=True))
    found = {name: max(abs(a[name] - b[name]) for a, b in rounds) for name in theirs[0]}
    found["grad_norm"] /= max(a["grad_norm"] for a in ours)
    if our_gradient.keys() != their_gradient.keys():
        raise SystemExit("the two sides do not train the same weights")
    apart = sum(float((gradient - their_gradient[n]).square().sum()) for n, gradient in our_gradient.items())
    whole = sum(float(gradient.square().sum()) for gradient in our_gradient.values())
    found["gradient"] = (apart / whole) ** 0.5
    if not all(value < TOLERANCE for value in found.values()):
        raise SystemExit(f"the two sides did not do the same update; they differ by {found}")
    return found


def _operations(args: argparse.Namespace, model: Any, prompt: int) -> float:
    """What the update cannot do without."""
    end = prompt + args.tokens
    tokens = prompt + args.group * args.tokens
    seen = floor.pairs(0, prompt) + args.group * floor.pairs(prompt, end)
    text = floor.decoder(model, tokens, seen) + floor.head(model, args.group * args.tokens)
    side = shapes.image_side(args.image_tokens) // shapes.PATCH
    looks = [floor.FORWARD if args.freeze_vision else floor.TRAINED]
    if args.kl and not args.freeze_vision:
        looks.append(floor.FORWARD)  # the reference has a tower of its own
    vision = sum(floor.tower(model, side, side, passes) for passes in looks)
    return (floor.TRAINED + (floor.FORWARD if args.kl else 0)) * text + vision


def _memory_of(contender: str) -> dict[str, int]:
    """Run this very benchmark in a process of its own, for `contender` alone."""
    command = [sys.executable, "-m", "benchmarks.update", *sys.argv[1:], "--alone", contender]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


def _memory_alone(args: argparse.Namespace, folder: Path) -> dict[str, int]:
    update = _contender(args.alone, args, folder)
    runs = [update.prepare(_group(args, number)) for number in range(2)]
    gc.collect()
    baseline = psutil.Process().memory_info().rss
    before = peak_memory_bytes()
    for run in runs:
        run()
    peak = peak_memory_bytes()
    if peak == before:
        raise SystemExit("setting up took more memory than the update; its peak cannot be told")
    return {"peak": peak, "baseline": baseline, "above_baseline": peak - baseline}


if __name__ == "__main__":
    main()
