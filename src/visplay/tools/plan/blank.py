"""A model without weights: what a run would build, on torch's meta device, where tensors have shapes and no numbers.

Its roles are made by `models/policy.py` itself, so what is counted here is what a run holds.

Shapes: B trees, L tokens, H query heads, G key-value heads, D head size.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from PIL import Image
from transformers import AttentionInterface, AttentionMaskInterface, AutoModelForImageTextToText, PreTrainedConfig
from transformers.integrations.sdpa_attention import repeat_kv
from transformers.masking_utils import sdpa_mask

from visplay.config import Settings
from visplay.errors import ModelError
from visplay.models.image_cache import ImageCache
from visplay.models.policy import Policy, role_of
from visplay.models.tree_model import TreeModel
from visplay.models.vlm import VLM

# As PyTorch's kernels remember it: FlexAttention takes few keys for many queries, the one with a dense mask does not.
FUSED, DENSE = "visplay_blank_fused", "visplay_blank_dense"


class Blank(TreeModel):
    """A model of which only the shapes are known."""

    def __init__(self, name: str, model: Any) -> None:
        super().__init__(model, 0, ImageCache(_no_image))
        self.name = name

    @classmethod
    def of(cls, name: str, config: PreTrainedConfig, dtype: str, trust_remote_code: bool = False) -> Blank:
        """The model of a configuration.

        Args:
            dtype: name of a torch dtype.
            trust_remote_code: run code that comes with the model.
        Raises:
            ModelError: transformers cannot build it.
        """
        try:
            with torch.device("meta"):
                model = AutoModelForImageTextToText.from_config(
                    config, dtype=getattr(torch, dtype), trust_remote_code=trust_remote_code
                )
        except (ValueError, KeyError, AttributeError, TypeError, ImportError, RuntimeError) as error:
            raise ModelError(f"cannot build '{name}' from its configuration: {' '.join(str(error).split())}") from None
        return cls(name, model.eval())

    def with_model(self, model: Any) -> Blank:
        """The same around a copy of the model."""
        return Blank(self.name, model)

    @property
    def axes(self) -> int:
        """Axes of rotary positions."""
        return 3 if self._has_rope_index else 1

    def attend(self, dense: bool) -> None:
        """Count attention as the kernel with a dense mask takes memory, or as FlexAttention does."""
        self.model.set_attn_implementation({"text_config": DENSE if dense else FUSED})


def roles(blank: Blank, settings: Settings) -> tuple[Policy, Policy]:
    """Questioner and Reasoner as a run makes them of its base."""
    base = cast(VLM, blank)  # a policy asks for nothing that needs text or images
    questioner, reasoner = (role_of(base, role, settings) for role in ("questioner", "reasoner"))
    # PEFT leaves the second adapter where it made it; on a real device it follows the base, as the first one does.
    for policy in (questioner, reasoner):
        policy.model.to(device="meta")
    return questioner, reasoner


class _Attend(torch.autograd.Function):
    """What a fused attention keeps for its gradient, without its numbers."""

    @staticmethod
    def forward(ctx: Any, query_BHLD: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        output_BHLD = torch.empty_like(query_BHLD)
        sums_BHL = query_BHLD.new_empty(query_BHLD.shape[:-1], dtype=torch.float32)
        ctx.save_for_backward(query_BHLD, keys, values, output_BHLD, sums_BHL)
        return output_BHLD

    @staticmethod
    def backward(ctx: Any, *_: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(torch.empty_like(tensor) for tensor in ctx.saved_tensors[:3])


def _fused(
    module: torch.nn.Module, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, *_: Any, **__: Any
) -> tuple[torch.Tensor, None]:
    output: torch.Tensor = _Attend.apply(query, keys, values)  # type: ignore[no-untyped-call]
    return output.transpose(1, 2), None


def _dense(
    module: torch.nn.Module, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, *_: Any, **__: Any
) -> tuple[torch.Tensor, None]:
    times = query.shape[1] // keys.shape[1]
    return _fused(module, query, repeat_kv(keys, times), repeat_kv(values, times))


def _no_image(images: list[Image.Image]) -> tuple[dict[str, torch.Tensor], list[str]]:
    raise NotImplementedError("a model without weights sees no images")


for _kind, _attention in ((FUSED, _fused), (DENSE, _dense)):
    AttentionInterface.register(_kind, _attention)
    AttentionMaskInterface.register(_kind, sdpa_mask)
