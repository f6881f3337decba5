"""Forward passes of a vision-language model over token trees, or over plain sequences where a tree is not valid.

The model runs its own code for all that is particular to its family: where the image
enters, how positions count, what a vision tower says. This file gives it the tree's mask
and positions, and images it has already seen. Left out: text and images, which are
`models/vlm.py`'s; video.

Shapes: B trees (the images of one prompt each), L packed tokens, A axes of rotary positions (3 for the
Qwen families: time, height, width; else 1), R answers growing on a tree, K nodes they
share, H hidden size, V vocabulary, T tokens, S sequences.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from types import SimpleNamespace
from typing import Any

import torch
from torch.nn.attention.flex_attention import BlockMask
from torch.nn.utils.rnn import pad_sequence

from visplay.models.attention import TREE_ATTENTION, block_mask, flex_runs
from visplay.models.cache import TreeCache
from visplay.models.image_cache import Features, ImageCache, Pixels
from visplay.models.offload import Offloader
from visplay.models.scores import TokenScores, Wanted, token_scores
from visplay.models.token_tree import PackedTrees, TokenTree

# Images that pass a frozen vision tower together: enough to keep it busy, few enough for its memory.
LOOK_AT_ONCE = 32
# Arguments by which families are told which tokens are an image's.
_TYPE_ARGUMENTS = ("mm_token_type_ids", "token_type_ids")


class TreeModel:
    """A transformers model for images and text (`AutoModelForImageTextToText`).

    Attributes:
        plain_because: why token trees are not used; empty where they are. What the configuration does
            not tell, `models/probe.py` finds out.
        place: where its weights are; a frozen vision tower, which models share, stays on the device.
    """

    def __init__(self, model: Any, pad_id: int, images: ImageCache) -> None:
        model.set_attn_implementation({"text_config": TREE_ATTENTION})
        self.model = model
        self.pad_id = pad_id
        self.plain_because = _declared(model)
        self.image_token_id = int(model.config.image_token_id)
        self._images = images
        self._counts_axes = hasattr(model.base_model, "get_rope_index")
        self.offloader = Offloader(self._own_tensors, self.device)
        self._type_arguments = set(_TYPE_ARGUMENTS) & set(inspect.signature(model.forward).parameters)

    @property
    def device(self) -> torch.device:
        device: torch.device = next(self.model.parameters()).device
        return device

    @property
    def head(self) -> torch.nn.Linear:
        """The layer from hidden states to the vocabulary."""
        head: torch.nn.Linear = self.model.get_output_embeddings()
        return head

    @property
    def vision(self) -> tuple[torch.nn.Module, ...]:
        """Whatever lies before the language model: the vision tower and what joins the two."""
        decoder = self.model.get_decoder()
        return tuple(child for child in self.model.base_model.children() if child is not decoder)

    def vision_parameters(self) -> Iterator[torch.nn.Parameter]:
        """Parameters outside the language model and its head."""
        text = {id(p) for module in (self.model.get_decoder(), self.head) for p in module.parameters()}
        return (p for p in self.model.parameters() if id(p) not in text)

    def _own_tensors(self) -> Iterator[torch.Tensor]:
        seeing = () if any(p.requires_grad for p in self.vision_parameters()) else self.vision
        shared = {id(tensor) for part in seeing for tensor in _tensors(part)}
        return (tensor for tensor in _tensors(self.model) if id(tensor) not in shared)

    def logprobs(
        self,
        trees: Sequence[TokenTree],
        pixels: Sequence[Pixels],
        starts: Sequence[Sequence[int]],
        entropy_gradient: bool = False,
        temperature: float = 1.0,
    ) -> TokenScores:
        """Log-probabilities and entropies of each sequence's tokens from its start on.

        Args:
            pixels: of each tree's image, in the order of the trees.
            starts: for each tree, for each of its sequences, the first token to score, at least 1.
            entropy_gradient, temperature: see `token_scores`.
        """
        score = self.plain_logprobs if self.plain_because else self.tree_logprobs
        return score(trees, pixels, starts, entropy_gradient, temperature)

    def tree_logprobs(
        self,
        trees: Sequence[TokenTree],
        pixels: Sequence[Pixels],
        starts: Sequence[Sequence[int]],
        entropy_gradient: bool = False,
        temperature: float = 1.0,
    ) -> TokenScores:
        """`logprobs`, each distinct context computed once."""
        hidden_BLH = self.hidden(trees, pixels)
        wanted = Wanted.of(trees, starts, width=hidden_BLH.shape[1])
        return token_scores(hidden_BLH, self.head, wanted, entropy_gradient, temperature)

    def plain_logprobs(
        self,
        trees: Sequence[TokenTree],
        pixels: Sequence[Pixels],
        starts: Sequence[Sequence[int]],
        entropy_gradient: bool = False,
        temperature: float = 1.0,
    ) -> TokenScores:
        """`logprobs`, one row a sequence under the model's own mask."""
        sequences = [tree.ids_L[path] for tree in trees for path in tree.paths]
        alone = [TokenTree.build([sequence.tolist()]) for sequence in sequences]
        images = [image for tree, image in zip(trees, pixels, strict=True) for _ in tree.paths]
        hidden_SLH = self.plain_hidden(alone, images)
        firsts = [[first] for of_tree in starts for first in of_tree]
        wanted = Wanted.of(alone, firsts, width=hidden_SLH.shape[1])
        return token_scores(hidden_SLH, self.head, wanted, entropy_gradient, temperature)

    def hidden(
        self, trees: Sequence[TokenTree], pixels: Sequence[Pixels], cache: TreeCache | None = None
    ) -> torch.Tensor:
        """Last hidden states of packed trees, (B, L, H); each image passes the vision tower once.

        Args:
            cache: filled with the trees' keys and values when given.
        """
        packed = PackedTrees.pack(trees, self.pad_id)
        positions = [self.positions(tree, image) for tree, image in zip(trees, pixels, strict=True)]
        output = self.model.base_model(
            input_ids=packed.ids_BL.to(self.device),
            attention_mask=self._mask(packed),
            position_ids=_stacked(positions).to(self.device),
            mm_encoder_outputs={"image": self._seen(trees, pixels)},
            past_key_values=cache,
            use_cache=cache is not None,
        )
        hidden_BLH: torch.Tensor = output.last_hidden_state
        return hidden_BLH

    def plain_hidden(self, sequences: Sequence[TokenTree], pixels: Sequence[Pixels]) -> torch.Tensor:
        """Last hidden states of trees that are one sequence each, (S, L, H), under the model's own mask."""
        ids_SL = pad_sequence([torch.from_numpy(s.ids_L) for s in sequences], True, self.pad_id).to(self.device)
        lengths_S = torch.tensor([len(s) for s in sequences], device=self.device)
        positions = [self.positions(s, image) for s, image in zip(sequences, pixels, strict=True)]
        output = self.model.base_model(
            input_ids=ids_SL,
            attention_mask=(torch.arange(ids_SL.shape[1], device=self.device) < lengths_S[:, None]).long(),
            position_ids=_stacked(positions).to(self.device),
            mm_encoder_outputs={"image": self._seen(sequences, pixels)},
            use_cache=False,
            **self.token_types(ids_SL),
        )
        hidden_SLH: torch.Tensor = output.last_hidden_state
        return hidden_SLH

    def extend(
        self, ids_BR: torch.Tensor, positions_BR: torch.Tensor, sees_BRK: torch.Tensor, cache: TreeCache
    ) -> torch.Tensor:
        """Grow each of a tree's R answers by a token; their last hidden states, (B, R, H).

        Args:
            ids_BR: int64, the new tokens, none of them an image's.
            positions_BR: int64 rotary positions, the same on all axes as these are no image tokens.
            sees_BRK: bool, which nodes of the tree that filled `cache` each answer sees; it sees its own tokens too.
        """
        output = self.model.base_model(
            input_ids=ids_BR,
            attention_mask=_additive(sees_BRK[:, None], self.model.dtype),
            position_ids=positions_BR[None].expand(3, -1, -1) if self._counts_axes else positions_BR,
            past_key_values=cache,
            use_cache=True,
        )
        hidden_BRH: torch.Tensor = output.last_hidden_state
        return hidden_BRH

    def logits(self, hidden_MH: torch.Tensor) -> torch.Tensor:
        """Float32 next-token logits (M, V) of hidden states."""
        logits_MV: torch.Tensor = self.head(hidden_MH)
        return logits_MV.float()

    def positions(self, tree: TokenTree, pixels: Pixels) -> torch.Tensor:
        """Rotary positions of a tree's nodes, int64 (A, L), from the model's own rule.

        The image lies in the part all sequences share, so a node's position depends on its depth alone.
        """
        depth_L = torch.from_numpy(tree.depth_L)
        if not self._counts_axes:
            return depth_L[None]
        ids_D = torch.from_numpy(tree.ids_L[max(tree.paths, key=len)])
        positions_31D, _ = self.model.base_model.get_rope_index(
            ids_D[None],
            mm_token_type_ids=(ids_D == self.image_token_id)[None].int(),
            image_grid_thw=pixels["image_grid_thw"],
        )
        positions_3L: torch.Tensor = positions_31D[:, 0, depth_L]
        return positions_3L

    def _mask(self, packed: PackedTrees) -> torch.Tensor | BlockMask:
        text = self.model.config.get_text_config()
        heads, groups = text.num_attention_heads, text.num_key_value_heads
        size = getattr(text, "head_dim", None) or text.hidden_size // heads
        if flex_runs(self.device, self.model.dtype, heads, groups, size):
            return block_mask(packed.ends_BL.to(self.device))
        return _additive(packed.mask_B1LL.to(self.device), self.model.dtype)

    def token_types(self, ids_SL: torch.Tensor) -> dict[str, torch.Tensor]:
        """The argument that marks an image's tokens with 1, by the name this family gives it."""
        types_SL = (ids_SL == self.image_token_id).int()
        return dict.fromkeys(self._type_arguments, types_SL)

    def features(self, pixels: Sequence[Pixels]) -> list[Features]:
        """What the vision tower says of images. A tower that nobody trains looks at each image once."""
        if any(parameter.requires_grad for parameter in self.vision_parameters()):
            seen = dict(self._look({id(p): p for p in pixels}.values()))
            return [seen[id(p)] for p in pixels]
        unseen = {id(p): p for p in pixels if p.features is None}
        # Made outside inference mode, since an update may use them as well.
        with torch.inference_mode(False), torch.no_grad():
            for name, features in self._look(unseen.values()):
                self._images.keep(unseen[name], features)
        return [p.features for p in pixels if p.features is not None]

    def _look(self, pixels: Iterable[Pixels]) -> Iterator[tuple[int, Features]]:
        """Features of distinct images, by the identity of their `Pixels`; those of one kind are seen together."""
        for _, alike in groupby(pixels, key=lambda one: one.kind):
            images = list(alike)
            for start in range(0, len(images), LOOK_AT_ONCE):
                batch = images[start : start + LOOK_AT_ONCE]
                joined = {name: torch.cat([p[name] for p in batch]).to(self.device) for name in batch[0]}
                output = self.model.base_model.get_image_features(**joined, return_dict=True)
                yield from zip(map(id, batch), _split(output, batch), strict=True)

    def _seen(self, trees: Sequence[TokenTree], pixels: Sequence[Pixels]) -> SimpleNamespace:
        """The images of packed trees as the model's own vision output, row by row."""
        features = self.features(pixels)
        for tree, one in zip(trees, features, strict=True):
            places = int((tree.ids_L == self.image_token_id).sum())
            if places != len(one):
                raise ValueError(f"a tree has {places} places for an image of {len(one)} tokens")
        pooled = [one.pooled for one in features]
        return SimpleNamespace(
            pooler_output=pooled if features[0].listed else torch.cat(pooled),
            deepstack_features=list(zip(*(one.deep_TH for one in features), strict=True)) or None,
        )


def _tensors(module: torch.nn.Module) -> Iterator[torch.Tensor]:
    yield from module.parameters()
    yield from module.buffers()


def _declared(model: Any) -> str:
    """Why token trees are ruled out before anything is computed; empty if they are not.

    A tree's mask says all that its tokens may see, so the model must have no other rule.
    """
    text = model.config.get_text_config()
    kinds = set(getattr(text, "layer_types", None) or ()) - {"full_attention"}
    if kinds:
        return f"the model has layers of {' and '.join(sorted(kinds))}"
    if getattr(text, "sliding_window", None):
        return f"the model attends within a window of {text.sliding_window} tokens"
    # Families that take token types make an image's tokens see each other, which no setting says.
    takes_types = "token_type_ids" in inspect.signature(model.base_model.forward).parameters
    if takes_types or getattr(text, "use_bidirectional_attention", None) or not getattr(text, "is_causal", True):
        return "the model lets tokens see later ones"
    return ""


def _split(output: Any, batch: Sequence[Pixels]) -> Iterator[Features]:
    """The features of each prompt's images.

    Families give a list with an entry an image, or one tensor whose rows are in proportion to the images' pixels.
    """
    pooled = output.pooler_output
    listed = isinstance(pooled, (tuple, list))
    if not listed:
        rows = [len(p["pixel_values"]) for p in batch]
        pooled = pooled.split([len(pooled) * n // sum(rows) for n in rows])
    layers = getattr(output, "deepstack_features", None) or ()
    start = 0
    for one in batch:
        place = slice(start, start + (len(one.texts) if listed else 1))
        # Copies, so that keeping one image does not keep the whole batch.
        yield Features(torch.cat(pooled[place]), tuple(torch.cat(layer[place]) for layer in layers), listed)
        start = place.stop


def _stacked(positions: Sequence[torch.Tensor]) -> torch.Tensor:
    """Positions (A, L) of rows as a model takes them: int64 (A, B, L), or (B, L) where there is one axis; padding 0."""
    padded_BLA = pad_sequence([position_AL.T for position_AL in positions], batch_first=True)
    positions_ABL = padded_BLA.permute(2, 0, 1)
    return positions_ABL if len(positions_ABL) > 1 else positions_ABL[0]


def _additive(mask: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """0 where True, minus infinity where False: converted once here, not once in every layer."""
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, float("-inf"))
