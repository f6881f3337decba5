"""The least a computation can take: its floating-point operations over the machine's rate of a matrix product.

Only products are counted, a multiplication and an addition being two operations; norms, rotary
positions, softmax and the optimizer are not. Tokens are those of the tree: each distinct prefix once.

Shapes: N patches of an image.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

import torch

FORWARD = 1
TRAINED = 3  # the gradients by the inputs and by the weights are two products more
_SIDE = 1536


def matrix_product(_: int) -> Callable[[], object]:
    """The yardstick, a task of `paired.alternate`: a plain float32 product of square matrices."""
    left, right = torch.rand(_SIDE, _SIDE), torch.rand(_SIDE, _SIDE)
    return lambda: [left @ right for _ in range(4)]


def floor_seconds(operations: float, product_seconds: list[float]) -> float:
    """Time of `operations` at the rate of `matrix_product`."""
    return operations * median(product_seconds) / (4 * 2 * _SIDE**3)


def pairs(begin: int, end: int) -> int:
    """(query, key) pairs of the tokens at depths begin … end - 1 of a sequence: each sees itself and all before it."""
    return (end * (end + 1) - begin * (begin + 1)) // 2


def decoder(model: Any, tokens: int, seen: int) -> float:
    """A forward pass of the decoder layers.

    Args:
        tokens: that pass the layers.
        seen: (query, key) pairs of their attention, see `pairs`.
    """
    text = model.config.text_config
    layers = model.base_model.language_model.layers
    # Scores and the weighted sum of values: two products over each head's size for every pair.
    return float(2 * tokens * _weights(layers) + 4 * seen * text.hidden_size * len(layers))


def head(model: Any, tokens: int) -> float:
    """A forward pass of the language model head."""
    return float(2 * tokens * model.get_output_embeddings().weight.numel())


def tower(model: Any, patches_high: int, patches_wide: int, passes: int = FORWARD) -> float:
    """The vision tower on one image, `passes` being FORWARD or TRAINED."""
    vision = model.config.vision_config
    module = model.base_model.visual
    patches = patches_high * patches_wide
    whole = [number in vision.fullatt_block_indexes for number in range(vision.depth)]
    windows = _window_pairs(vision, patches_high, patches_wide)
    seen = sum(patches**2 if is_whole else windows for is_whole in whole)
    operations = 2.0 * patches * _weights(module.blocks) + 4.0 * seen * vision.hidden_size
    operations += 2.0 * patches / vision.spatial_merge_size**2 * _weights(module.merger)
    # Nobody wants the gradient by the pixels.
    first = 2.0 * patches * module.patch_embed.proj.weight.numel()
    return float(passes * operations + (passes - 1 if passes == TRAINED else passes) * first)


def _weights(module: torch.nn.Module) -> int:
    return sum(m.weight.numel() for m in module.modules() if isinstance(m, torch.nn.Linear))


def _window_pairs(vision: Any, high: int, wide: int) -> int:
    """Pairs of a block whose patches see their window alone; windows at the right and lower edge may be smaller."""
    side = int(vision.window_size // vision.patch_size)
    rows = [min(side, high - start) for start in range(0, high, side)]
    columns = [min(side, wide - start) for start in range(0, wide, side)]
    return sum(row**2 for row in rows) * sum(column**2 for column in columns)
