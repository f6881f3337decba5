"""The Questioner's reward: 8 questions per image, 10 votes each, every vote exactly 24 tokens long.

Ours: `visplay.generation.backends.transformers.TransformersEngine` on a frozen policy, as the loop holds it.
Peer: transformers' `generate` on the same weights, a call an image with all its questions as one batch, padded on the
left, with its KV cache, `do_sample` and `num_return_sequences`. Both sample at temperature 1 from the whole vocabulary.
No answer ends early: the end-of-text token lies beyond the model's vocabulary, so neither side needs a rule that
forbids it. Image preprocessing and tokenization are done beforehand for both; each round has new images, so the vision
tower's work is in every round.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from benchmarks import floor, shapes
from benchmarks.image_processor import load_processor
from benchmarks.paired import Result, alternate, fix_threads, parser, report
from benchmarks.questions import lab_questions
from visplay.config import LoraSettings
from visplay.generation.backends.transformers import TransformersEngine
from visplay.interfaces.engine import Sampling
from visplay.models.policy import new_policy
from visplay.models.vlm import VLM
from visplay.roles.prompts import Prompts
from visplay.types import ImageRef, Request


def main() -> None:
    args = _options()
    fix_threads(args.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shapes.save_model(folder, args.image_tokens)
        ours = OurRollout(folder, args)
        peer = GenerateRollout(folder, args) if args.peer else None
        same = _check_same_model(ours, peer) if peer else None
        tasks = {"ours": ours.task, **({"peer": peer.task} if peer else {})}
        seconds = alternate({**tasks, "matrix_product": floor.matrix_product}, args.repeats)
    operations = _operations(args, ours)
    floor_seconds = floor.floor_seconds(operations, seconds.pop("matrix_product"))
    result = Result(
        benchmark="rollout",
        seconds=seconds,
        sizes={
            "images": args.images,
            "image_tokens": args.image_tokens,
            "questions": args.questions,
            "votes": args.votes,
            "tokens": args.tokens,
            "parameters": sum(p.numel() for p in ours.vlm.model.parameters()),
        },
        threads=args.threads,
        floor_seconds=floor_seconds,
        details={"agreement": same, "operations": operations},
    )
    report(result, args.json)


def _options() -> argparse.Namespace:
    options = parser(__doc__, repeats=5)
    options.add_argument("--peer", action=argparse.BooleanOptionalAction, default=True, help="else no ratio")
    options.add_argument("--images", type=int, default=1, help="images (default %(default)s)")
    options.add_argument("--image-tokens", type=int, default=1024, help="of each image (default %(default)s)")
    options.add_argument("--questions", type=int, default=8, help="on each image (default %(default)s)")
    options.add_argument("--votes", type=int, default=10, help="on each question (default %(default)s)")
    options.add_argument("--tokens", type=int, default=24, help="of each vote (default %(default)s)")
    return options.parse_args()


def asked(args: argparse.Namespace, number: int) -> list[Request]:
    """The requests of a round, its images new; distinct questions, so that no prompt comes twice on an image."""
    images = [shapes.noise(f"{number}-{i}", args.image_tokens, 1000 * number + i) for i in range(args.images)]
    texts = list(dict.fromkeys(lab_questions(50 * args.questions)))[: args.questions]
    prompts = [Prompts().answer(text) for text in texts]
    return [
        Request(f"{image.id}/{i}", image, prompt, args.votes) for image in images for i, prompt in enumerate(prompts)
    ]


class OurRollout:
    """Our engine; `task` is one of `paired.alternate`."""

    def __init__(self, folder: Path, args: argparse.Namespace) -> None:
        self.args = args
        policy = new_policy(VLM.load(folder, device="cpu"), "reasoner", "full", LoraSettings())
        self.vlm = policy.vlm
        self.engine = TransformersEngine(policy, seed=0)

    def task(self, number: int) -> Callable[[], object]:
        requests = asked(self.args, number)
        for request in requests:
            self.vlm.encode(request.image, request.prompt)
        return lambda: self.generate(requests, Sampling(max_tokens=self.args.tokens))

    def generate(self, requests: list[Request], sampling: Sampling) -> list[tuple[int, ...]]:
        """Token ids of every completion, in order.

        Raises:
            SystemExit: some ended early.
        """
        found = self.engine.generate(requests, sampling)
        completions = [c.token_ids for request in requests for c in found[request.id]]
        if {len(ids) for ids in completions} != {sampling.max_tokens}:
            raise SystemExit("our answers do not have the length wanted")
        return completions


class GenerateRollout:
    """transformers' generate; `task` is one of `paired.alternate`."""

    def __init__(self, folder: Path, args: argparse.Namespace) -> None:
        self.args = args
        self.model: Any = shapes.load_plain(folder).eval()
        self.processor = load_processor(folder)

    def task(self, number: int) -> Callable[[], object]:
        batches = self.batches(asked(self.args, number))
        # top_k would be 50 by default.
        how = {"do_sample": True, "top_k": 0, "num_return_sequences": self.args.votes}
        return lambda: self.generate(batches, self.args.tokens, **how)

    def batches(self, requests: list[Request]) -> list[Any]:
        """What the processor makes of each image's prompts, the image once a prompt."""
        grouped_by_image: dict[ImageRef, list[str]] = {}
        for request in requests:
            grouped_by_image.setdefault(request.image, []).append(request.prompt)
        return [self._batch(image.load(), prompts) for image, prompts in grouped_by_image.items()]

    def _batch(self, image: Image.Image, prompts: list[str]) -> Any:
        chats: Any = [
            [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt}]}] for prompt in prompts
        ]
        texts = self.processor.apply_chat_template(chats, add_generation_prompt=True, tokenize=False)
        return self.processor(images=[image] * len(prompts), text=texts, padding=True, return_tensors="pt")

    def generate(self, batches: list[Any], tokens: int, **how: Any) -> list[tuple[int, ...]]:
        """Token ids of every completion, in order.

        Raises:
            SystemExit: some ended early.
        """
        found: list[tuple[int, ...]] = []
        for inputs in batches:
            with torch.inference_mode():
                sequences = self.model.generate(**inputs, max_new_tokens=tokens, **how)
            completions = sequences[:, inputs["input_ids"].shape[1] :]
            if completions.shape[1] != tokens:
                raise SystemExit("the peer's answers do not have the length wanted")
            found += [tuple(row) for row in completions.tolist()]
        return found


def _check_same_model(ours: OurRollout, peer: GenerateRollout) -> dict[str, Any]:
    """The most probable answers to every question are the same on both sides.

    Raises:
        SystemExit: they are not.
    """
    requests = [Request(r.id, r.image, r.prompt, 1, greedy=True) for r in asked(ours.args, ours.args.repeats + 1)]
    tokens = ours.args.tokens
    mine = ours.generate(requests, Sampling(max_tokens=tokens))
    theirs = peer.generate(peer.batches(requests), tokens, do_sample=False)
    equal = sum(a == b for left, right in zip(mine, theirs, strict=True) for a, b in zip(left, right, strict=True))
    total = len(mine) * tokens
    # Two tokens may be so close that rounding decides; what follows then differs as well.
    if equal < 0.9 * total:
        raise SystemExit(f"the most probable answers of both sides share {equal} of {total} tokens only")
    return {"greedy_tokens_equal": equal, "of": total}


def _operations(args: argparse.Namespace, ours: OurRollout) -> float:
    """What the rollout cannot do without: distinct tokens of images and prompts, then each vote's own tokens.

    A vote's last token is drawn and needs no pass of its own.
    """
    requests = asked(args, 0)[: args.questions]
    prompts = [ours.vlm.encode(r.image, r.prompt).token_ids for r in requests]
    shared = min(len(ids) for ids in prompts)
    while any(ids[:shared] != prompts[0][:shared] for ids in prompts):
        shared -= 1
    fed = args.tokens - 1
    tokens, seen = shared, floor.pairs(0, shared)
    for ids in prompts:
        tokens += len(ids) - shared + args.votes * fed
        seen += floor.pairs(shared, len(ids)) + args.votes * floor.pairs(len(ids), len(ids) + fed)
    model: Any = ours.vlm.model
    drawn = args.questions * (1 + args.votes * fed)  # the votes of a question begin with the same distribution
    side = shapes.image_side(args.image_tokens) // shapes.PATCH
    one: float = floor.decoder(model, tokens, seen) + floor.head(model, drawn) + floor.tower(model, side, side)
    return float(args.images * one)


if __name__ == "__main__":
    main()
