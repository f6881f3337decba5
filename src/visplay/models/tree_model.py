"""Forward passes of a vision-language model over token trees, or over padded sequences if trees are not valid for it.

The model's own code does what is specific to its family: merging the image into the text, counting positions, running
the vision tower. This module passes it the tree's mask and positions, and cached vision features.

Shapes: B trees (the images of one prompt each), L packed tokens, A axes of rotary positions (3 for the Qwen families:
time, height, width; else 1), R answers that are decoded on a tree, K nodes they share, H hidden size, V vocabulary, T
image tokens, D tokens of a sequence.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Sequence
from itertools import chain
from types import SimpleNamespace
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask
from torch.nn.utils.rnn import pad_sequence
from transformers.modeling_outputs import BaseModelOutput

from visplay.models.attention import TREE_ATTENTION, block_mask, flex_runs
from visplay.models.cache import TreeCache
from visplay.models.image_cache import Features, ImageCache, Pixels
from visplay.models.offload import Offloader
from visplay.models.scores import TokenScores, token_scores
from visplay.models.token_tree import PackedTrees, TokenTree

# Names that families give to the argument that marks image tokens.
_TYPE_ARGUMENTS = ("mm_token_type_ids", "token_type_ids")


class TreeModel:
    """A transformers model for images and text (`AutoModelForImageTextToText`).

    Attributes:
        padded_because: why the model uses the padded path, by its configuration or the probe; empty for token trees.
        offloader: moves the weights, without a frozen vision tower: models share it, so it stays on the device.
    """

    def __init__(self, model: Any, pad_id: int, images: ImageCache) -> None:
        model.set_attn_implementation({"text_config": TREE_ATTENTION})
        self.model = model
        self.pad_id = pad_id
        self.padded_because = _unsupported_reason(model)
        self.image_token_id = int(model.config.image_token_id)
        self._images = images
        self._has_rope_index = hasattr(model.base_model, "get_rope_index")
        self.offloader = Offloader(self._own_tensors, self.device)
        self._type_arguments = set(_TYPE_ARGUMENTS) & set(inspect.signature(model.forward).parameters)

    @property
    def device(self) -> torch.device:
        return torch.device(self.model.device)

    @property
    def head(self) -> torch.nn.Linear:
        """The output layer, from hidden states to logits."""
        return cast(torch.nn.Linear, self.model.get_output_embeddings())

    @property
    def vision(self) -> tuple[torch.nn.Module, ...]:
        """The modules before the language model: the vision tower and the projector."""
        decoder = self.model.get_decoder()
        return tuple(child for child in self.model.base_model.children() if child is not decoder)

    def vision_parameters(self) -> Iterator[torch.nn.Parameter]:
        """Parameters outside the language model and its head."""
        text = {id(p) for module in (self.model.get_decoder(), self.head) for p in module.parameters()}
        return (p for p in self.model.parameters() if id(p) not in text)

    def _own_tensors(self) -> Iterator[Tensor]:
        frozen = () if any(p.requires_grad for p in self.vision_parameters()) else self.vision
        shared = {id(tensor) for part in frozen for tensor in _tensors(part)}
        return (tensor for tensor in _tensors(self.model) if id(tensor) not in shared)

    def train(self) -> None:
        """Prepare the model for an update: activations are recomputed and adapters drop out, if the settings say so.

        Otherwise it computes as in `eval`, because the log-probabilities of an update must be those of the rollout.
        Dropout that a checkpoint's configuration has, or noise in the routing of experts, would change them.
        """
        self.model.eval()
        for name, module in self.model.named_modules():
            module.training = getattr(module, "gradient_checkpointing", False) or ".lora_dropout." in f".{name}."

    def logprobs(
        self,
        trees: Sequence[TokenTree],
        pixels: Sequence[Pixels],
        starts: Sequence[Sequence[int]],
        entropy_gradient: bool = False,
        temperature: float = 1.0,
        padded: bool | None = None,
    ) -> TokenScores:
        """Log-probabilities and entropies of the tokens of each sequence, from its start on; see `token_scores`.

        Args:
            pixels: the image of each tree.
            padded: compute one padded row per sequence instead of token trees; None: if the model needs it.
        """
        padded = bool(self.padded_because) if padded is None else padded
        if padded and any(len(tree.paths) > 1 for tree in trees):
            pixels = [image for tree, image in zip(trees, pixels, strict=True) for _ in tree.paths]
            trees = [TokenTree.build([tree.ids_L[path].tolist()]) for tree in trees for path in tree.paths]
            starts = [[first] for of_tree in starts for first in of_tree]
        hidden_BLH = self.hidden(trees, pixels, padded=padded)
        return token_scores(
            hidden_BLH, self.logits, self.head.out_features, trees, starts, entropy_gradient, temperature
        )

    def hidden(
        self, trees: Sequence[TokenTree], pixels: Sequence[Pixels], cache: TreeCache | None = None, padded: bool = False
    ) -> Tensor:
        """Last hidden states of packed trees, (B, L, H).

        Args:
            cache: stores the trees' keys and values.
            padded: each tree is a single sequence; the model's own mask is used.
        """
        packed = PackedTrees.pack(trees, self.pad_id)
        ids_BL = packed.ids_BL.to(self.device)
        positions = [self.positions(tree, image) for tree, image in zip(trees, pixels, strict=True)]
        output = self.model.base_model(
            input_ids=ids_BL,
            attention_mask=packed.valid_BL.long().to(self.device) if padded else self._mask(packed),
            position_ids=_stack_positions(positions).to(self.device),
            mm_encoder_outputs={"image": self._vision_output(pixels)},
            past_key_values=cache,
            use_cache=cache is not None,
            **(self.token_types(ids_BL) if padded else {}),
        )
        return cast(Tensor, output.last_hidden_state)

    def extend(self, ids_BR: Tensor, positions_BR: Tensor, sees_BRK: Tensor, cache: TreeCache) -> Tensor:
        """Append one text token to each of the R answers of each tree; returns the last hidden states, (B, R, H).

        Args:
            ids_BR, positions_BR: int64, the new tokens and their rotary positions, the same on all axes.
            sees_BRK: bool, the tree's nodes that each answer sees. An answer also sees its own tokens.
            cache: filled by `hidden`; it stores the new tokens' keys and values.
        """
        output = self.model.base_model(
            input_ids=ids_BR,
            attention_mask=_additive_mask(sees_BRK[:, None], self.model.dtype),
            position_ids=positions_BR[None].expand(3, -1, -1) if self._has_rope_index else positions_BR,
            past_key_values=cache,
            use_cache=True,
        )
        return cast(Tensor, output.last_hidden_state)

    def logits(self, hidden_MH: Tensor) -> Tensor:
        """Next-token logits, float32 (M, V), by the model's own code: the head, and what its family does after it.

        The model's forward pass runs around a decoder that returns `hidden_MH`. So soft-capping (Gemma) and scaling
        (Granite) are those of transformers, and `probe` compares the result with the whole model's.
        """
        model = copy.copy(self.model)  # the same weights; the model itself must keep its decoder
        model._modules = {**model._modules, model.base_model_prefix: _Decoded(hidden_MH[:, None])}
        # The class's function, because a tool may have replaced the model's own by one that is bound to the model.
        output = type(model).forward(model, inputs_embeds=hidden_MH[:, None], use_cache=False, return_dict=True)
        return cast(Tensor, output.logits)[:, 0].float()

    def positions(self, tree: TokenTree, pixels: Pixels) -> Tensor:
        """Rotary positions of a tree's nodes, int64 (A, L), by the model's own rule."""
        depth_L = torch.from_numpy(tree.depth_L)
        if not self._has_rope_index:
            return depth_L[None]
        # All sequences share the image, so the position of a node depends only on its depth.
        ids_D = torch.from_numpy(tree.ids_L[max(tree.paths, key=len)])
        positions_31D, _ = self.model.base_model.get_rope_index(
            ids_D[None],
            mm_token_type_ids=(ids_D == self.image_token_id)[None].int(),
            image_grid_thw=pixels["image_grid_thw"],
        )
        return cast(Tensor, positions_31D[:, 0, depth_L])

    def _mask(self, packed: PackedTrees) -> Tensor | BlockMask:
        text = self.model.config.get_text_config()
        heads, groups = text.num_attention_heads, text.num_key_value_heads
        size = getattr(text, "head_dim", None) or text.hidden_size // heads
        if flex_runs(self.device, self.model.dtype, heads, groups, size):
            return block_mask(packed.ends_BL.to(self.device))
        return _additive_mask(packed.mask_B1LL.to(self.device), self.model.dtype)

    def token_types(self, ids_SL: Tensor) -> dict[str, Tensor]:
        """The keyword argument of this family that marks image tokens with 1; empty if it has none."""
        types_SL = (ids_SL == self.image_token_id).int()
        return dict.fromkeys(self._type_arguments, types_SL)

    def features(self, pixels: Sequence[Pixels]) -> list[Features]:
        """Vision features of images; those of a frozen vision tower are cached."""
        if any(parameter.requires_grad for parameter in self.vision_parameters()):
            encoded = {id(p): self._encode(p) for p in {id(p): p for p in pixels}.values()}
            return [encoded[id(p)] for p in pixels]
        # Not in inference mode, because an update may use the cached features.
        with torch.inference_mode(False), torch.no_grad():
            for one in pixels:
                if one.features is None:
                    self._images.keep(one, self._encode(one))
        return [p.features for p in pixels if p.features is not None]

    def _encode(self, pixels: Pixels) -> Features:
        """The features of a prompt's images.

        Each prompt's images are encoded alone. A batch would save little, and the last digits would depend on which
        other images are not cached yet, so that a resumed run would differ from an undisturbed one.
        """
        on_device = {name: tensor.to(self.device) for name, tensor in pixels.items()}
        return _features(self.model.base_model.get_image_features(**on_device, return_dict=True))

    def _vision_output(self, pixels: Sequence[Pixels]) -> SimpleNamespace:
        """Cached features in the form of the vision tower's output for a batch of trees."""
        features = self.features(pixels)
        pooled = [of_tree.pooled for of_tree in features]
        deep: list[Any] = list(zip(*(of_tree.deep_TH for of_tree in features), strict=True))
        if features[0].layers:
            deep = list(zip(features[0].layers, deep, strict=True))
        return SimpleNamespace(
            pooler_output=pooled if features[0].listed else torch.cat(pooled), deepstack_features=deep or None
        )


class _Decoded(torch.nn.Module):
    """In the place of a decoder that has run: whatever it is called with, it returns these last hidden states."""

    def __init__(self, hidden_M1H: Tensor) -> None:
        super().__init__()
        self._hidden_M1H = hidden_M1H

    def forward(self, *_: object, **__: object) -> BaseModelOutput:
        return _DecodedOutput(last_hidden_state=cast(torch.FloatTensor, self._hidden_M1H))


class _DecodedOutput(BaseModelOutput):
    """Families read further outputs of their decoders only to pass them on."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


def _tensors(module: torch.nn.Module) -> Iterator[Tensor]:
    return chain(module.parameters(), module.buffers())


def _unsupported_reason(model: Any) -> str:
    """Why the configuration rules token trees out: the model changes the tree's mask; empty if it does not."""
    text = model.config.get_text_config()
    if kinds := set(getattr(text, "layer_types", None) or ()) - {"full_attention"}:
        return f"the model has layers of {' and '.join(sorted(kinds))}"
    if getattr(text, "sliding_window", None):
        return f"the model attends within a window of {text.sliding_window} tokens"
    # Families with token types let an image's tokens see each other; no field of their configuration says so.
    takes_types = "token_type_ids" in inspect.signature(model.base_model.forward).parameters
    if takes_types or getattr(text, "use_bidirectional_attention", None) or not getattr(text, "is_causal", True):
        return "the model lets tokens see later ones"
    return ""


def _features(output: Any) -> Features:
    """The output of a vision tower; some towers return a list with one tensor per image, others one tensor."""
    pooled = getattr(output, "pooler_output", None)
    listed = isinstance(pooled, (tuple, list))
    deep = getattr(output, "deepstack_features", None) or ()
    layers = tuple(layer for layer, _ in deep) if _are_pairs(deep) else ()  # the layers are named, or the first ones
    tensors = [of_layer for _, of_layer in deep] if layers else deep
    deep_TH = tuple(torch.cat(tuple(of)) if isinstance(of, (tuple, list)) else of for of in tensors)
    if pooled is None and not deep_TH:
        raise AttributeError("the vision tower has no output")
    if pooled is None:  # Granite adds an image at decoder layers alone
        pooled = deep_TH[0].new_empty(0)
    return Features(torch.cat(tuple(pooled)) if listed else pooled, deep_TH, listed, layers)


def _are_pairs(deep: Sequence[Any]) -> bool:
    return all(isinstance(pair, (tuple, list)) and len(pair) == 2 and isinstance(pair[0], int) for pair in deep)


def _stack_positions(positions: Sequence[Tensor]) -> Tensor:
    """The model's argument: int64 (A, B, L), or (B, L) if there is one axis, from (A, L) per row; 0 at padding."""
    padded_BLA = pad_sequence([position_AL.T for position_AL in positions], batch_first=True)
    positions_ABL = padded_BLA.permute(2, 0, 1)
    return positions_ABL if len(positions_ABL) > 1 else positions_ABL[0]


def _additive_mask(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where True, minus infinity where False; converted here so that not every layer converts the mask."""
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, float("-inf"))
