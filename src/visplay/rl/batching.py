"""Batches for training: one token tree per image, and micro-batches of trees.

The groups of an image share a tree, so image and prompts are computed once for all their completions. A group is cut
only where memory ran out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby

from visplay.errors import UnreadableImage
from visplay.models.image_cache import Pixels
from visplay.models.token_tree import TokenTree
from visplay.models.vlm import VLM
from visplay.types import Completion, ImageRef, Request


@dataclass(frozen=True, slots=True)
class TrainingSample:
    """A completion to learn from, with its advantage and the weight of each of its tokens in the loss."""

    request: Request
    completion: Completion
    advantage: float
    weight: float


@dataclass(frozen=True, slots=True)
class PackedTree:
    """Samples of one image and their tree."""

    tree: TokenTree
    pixels: Pixels
    samples: list[TrainingSample]  # in the order of the tree's paths
    starts: list[int]  # the place of each completion's first token in its path


class MicroBatch:
    """The size of a micro-batch, for all trainers of a process; it shrinks when memory runs out, and stays so.

    Attributes:
        tokens: the most tokens with padding.
        cuts_groups: a group of more tokens is cut into several trees; before memory ran out it is not.
        under_way: completions and tokens of the micro-batch that is computed; zeros before the first of an attempt.
    """

    def __init__(self, tokens: int) -> None:
        self.tokens = self._in_settings = tokens
        self.cuts_groups = False
        self.under_way = (0, 0)

    @property
    def is_reduced(self) -> bool:
        return self.tokens < self._in_settings

    def begin(self, batch: Sequence[PackedTree]) -> None:
        """Note the micro-batch under way, which `half` halves."""
        self.under_way = sum(len(packed.samples) for packed in batch), len(batch) * len(batch[0].tree)

    def half(self) -> int:
        """The tokens of half the micro-batch under way, or of half the limit before the first; 0 if nothing is left."""
        completions, tokens = self.under_way
        # A group larger than the limit is halved as well.
        return 0 if completions == 1 else min(self.tokens, (tokens or self.tokens) // 2)

    def shrink(self, tokens: int) -> None:
        """Compute at most so many tokens at once from now on."""
        self.tokens, self.cuts_groups = min(self.tokens, tokens), True


def pack_trees(vlm: VLM, samples: Sequence[TrainingSample], limit: int, cut_groups: bool = False) -> list[PackedTree]:
    """One tree per image, or several of at most `limit` tokens each; on the padded path one per completion.

    A group stays in one tree, unless `cut_groups`. Images that can no longer be read have no tree.
    """
    by_image: dict[ImageRef, list[list[TrainingSample]]] = {}
    # The samples of a request are neighbours, and stay in one tree.
    for request, of_request in groupby(samples, key=lambda sample: sample.request):
        group = list(of_request)
        by_image.setdefault(request.image, []).extend([[sample] for sample in group] if cut_groups else [group])
    found: list[PackedTree] = []
    for groups in by_image.values():
        with suppress(UnreadableImage):  # it vanished since its completions were sampled
            found += _pack_image(vlm, groups, limit)
    return found


def micro_batches(packed_trees: Sequence[PackedTree], limit: int) -> Iterator[list[PackedTree]]:
    """Batches of trees of similar size, each with at most `limit` tokens including padding, or with a single tree."""
    batch: list[PackedTree] = []
    for packed_tree in sorted(packed_trees, key=lambda packed: len(packed.tree), reverse=True):
        if batch and len(batch[0].tree) * (len(batch) + 1) > limit:
            yield batch
            batch = []
        batch.append(packed_tree)
    if batch:
        yield batch


def _pack_image(vlm: VLM, groups: Sequence[list[TrainingSample]], limit: int) -> Iterator[PackedTree]:
    """Groups of one image, merged while their tree has at most `limit` tokens."""
    requests = [group[0].request for group in groups]
    prompts = {request.prompt: vlm.encode(request.image, request.prompt) for request in requests}

    def packed(samples: list[TrainingSample]) -> PackedTree:
        encoded = [prompts[sample.request.prompt] for sample in samples]
        paths = [(*e.token_ids, *s.completion.token_ids) for e, s in zip(encoded, samples, strict=True)]
        return PackedTree(TokenTree.build(paths), encoded[0].pixels, samples, [len(e.token_ids) for e in encoded])

    if vlm.padded_because:
        yield from (packed([sample]) for group in groups for sample in group)
        return
    tree = packed(groups[0])
    for group in groups[1:]:
        larger = packed([*tree.samples, *group])
        if len(larger.tree) > limit:
            yield tree
            larger = packed(group)
        tree = larger
    yield tree
