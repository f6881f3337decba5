"""Refuses weights that are not finite, before they are written and when they are read."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from visplay.errors import ModelError

_CHECKED = (torch.float16, torch.bfloat16, torch.float32, torch.float64)  # quantised weights have scales of their own


def check_finite(weights: Iterable[tuple[str, torch.Tensor]], place: str, advice: str) -> None:
    """Raise a ModelError that names `place` and the first weight with a NaN or an infinity, and ends with `advice`."""
    for name, weight in weights:
        if weight.dtype in _CHECKED and weight.numel() and not weight.is_meta:
            # The least and the largest value are NaN if any value is; unlike `isfinite` they take no memory.
            ends = torch.stack(torch.aminmax(weight.detach()))
            if not bool(ends.isfinite().all()):
                raise ModelError(f"{place}: the weight {name} is not finite; {advice}")
