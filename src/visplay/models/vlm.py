"""A vision-language model: load, encode a prompt on a picture, run token trees, save.

All knowledge of model families lives in `visplay.models`. Supported: Qwen2-VL and
Qwen2.5-VL of any size, in the Hugging Face format. Left out: video, several pictures a
prompt, models with sliding windows or recurrent layers (a tree is not valid there).

Shapes: B trees (one picture each), L packed tokens, N new nodes a tree, K nodes so far,
H hidden size, V vocabulary, M scored nodes, S sequences, T scored tokens, 3 the axes of
multimodal rotary positions (time, height, width).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch.utils.checkpoint import checkpoint
from transformers import AutoConfig, AutoModelForImageTextToText, AutoTokenizer
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from visplay.models.cache import TreeCache
from visplay.models.pictures import PictureCache, Pixels
from visplay.models.tokentree import PackedTrees, TokenTree
from visplay.records import Picture

FAMILIES = ("qwen2_vl", "qwen2_5_vl")
_LOAD_ERRORS = (OSError, ValueError, KeyError, RuntimeError, ImportError, AttributeError, SafetensorError)
# Logits of one chunk take at most this many numbers, so scoring needs the same memory at any length.
_CHUNK_NUMBERS = 2**24
# Pictures that pass a frozen vision tower together: enough to keep it busy, few enough for its memory.
_LOOK_AT_ONCE = 32
# For models that do not say how long their answers may get.
_MAX_NEW_TOKENS = 1024


class ModelError(ValueError):
    """A model cannot be used; the message is one line that says which, why and what to do."""


@dataclass(frozen=True, slots=True)
class EncodedPrompt:
    """A prompt on a picture as the model takes it.

    Attributes:
        token_ids: the prompt with the picture's placeholder tokens, ending where the answer begins.
        picture_id: id of the picture.
        pixels: the image processor's tensors, `pixel_values` float32 (patches, numbers a patch) and
            `image_grid_thw` int64 (1, 3) in patches.
    """

    token_ids: tuple[int, ...]
    picture_id: str
    pixels: Pixels


@dataclass(frozen=True, slots=True)
class TokenScores:
    """What a model says of given tokens; sequences of all trees in order, padded on the right.

    Attributes:
        logprobs_ST: float32, natural-log probability of each token at temperature 1, 0 at padding.
        entropy_ST: float32, entropy in nats of the distribution it came from, without gradient.
        mask_ST: bool, False at padding.
    """

    logprobs_ST: torch.Tensor
    entropy_ST: torch.Tensor
    mask_ST: torch.Tensor


class VLM:
    """A model with its tokenizer and image processor."""

    def __init__(
        self, name: str, model: Any, tokenizer: Any, image_processor: Any, pictures: PictureCache | None = None
    ) -> None:
        self.name = name
        self.model = model
        self.tokenizer = tokenizer
        self.image_processor = image_processor
        self.image_token_id = int(model.config.image_token_id)
        # Tokens that stand for pixels; as part of an answer they would mean a picture that is not there.
        self.placeholder_ids = (self.image_token_id, int(model.config.video_token_id))
        self.eos_ids = _eos_ids(model, tokenizer)
        self.max_new_tokens = int(model.generation_config.max_new_tokens or _MAX_NEW_TOKENS)
        self.pad_id = int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else self.eos_ids[0])
        markup = [t.content for t in tokenizer.added_tokens_decoder.values() if t.special]
        self._markup = re.compile("|".join(re.escape(text) for text in markup))
        self._pictures = pictures or PictureCache(image_processor)

    @classmethod
    def load(cls, name: str | Path, dtype: str = "float32", device: str = "auto") -> VLM:
        """Open a folder in Hugging Face format or a model of the Hugging Face hub, ready for inference.

        Args:
            dtype: name of a torch dtype.
            device: a torch device; "auto" is CUDA when there is one, else the CPU.
        Raises:
            ModelError: the folder or hub model is missing or unreadable, or is no supported VLM.
        """
        name = str(name)
        check_model(name)
        try:
            tokenizer = AutoTokenizer.from_pretrained(name)
            image_processor = Qwen2VLImageProcessorPil.from_pretrained(name)
            model: Any = AutoModelForImageTextToText.from_pretrained(
                name, dtype=getattr(torch, dtype), attn_implementation="sdpa"
            )
        except _LOAD_ERRORS as error:
            raise ModelError(f"cannot load model '{name}': {_one_line(error)}") from None
        if not tokenizer.chat_template:
            raise ModelError(f"model '{name}' has no chat template; add chat_template.jinja to its folder")
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(name, model.to(device).eval(), tokenizer, image_processor)

    def with_model(self, model: Any) -> VLM:
        """The same tokenizer and image processor around other weights of the same architecture.

        Prepared pictures are shared, and what a vision tower saw in them, if both models have the same one.
        """
        shared = self._pictures if model.base_model.visual is self.vision else None
        return VLM(self.name, model, self.tokenizer, self.image_processor, shared)

    @property
    def vision(self) -> torch.nn.Module:
        """The vision tower."""
        tower: torch.nn.Module = self.model.base_model.visual
        return tower

    def save(self, folder: str | Path) -> None:
        """Write weights, tokenizer and image processor in Hugging Face format; `load` reads it back."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        self.image_processor.save_pretrained(folder)

    @property
    def device(self) -> torch.device:
        device: torch.device = next(self.model.parameters()).device
        return device

    def encode(self, picture: Picture, prompt: str) -> EncodedPrompt:
        """Put a user's turn with one picture and a text into the model's chat format.

        Chat markup inside `prompt` is dropped: a text must not be able to end its own turn.

        Raises:
            OSError: the picture cannot be read.
            ModelError: the chat template does not place exactly one picture.
        """
        text = self._markup.sub("", prompt)
        content = [{"type": "image"}, {"type": "text", "text": text}]
        chat = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )
        ids = self.tokenizer(chat, add_special_tokens=False)["input_ids"]
        if ids.count(self.image_token_id) != 1:
            raise ModelError(f"the chat template of '{self.name}' must place one picture in a user's turn")
        pixels = self._pictures.get(picture)
        merge = self.image_processor.merge_size
        place = ids.index(self.image_token_id)
        size = int(pixels["image_grid_thw"].prod()) // merge**2
        token_ids = (*ids[:place], *[self.image_token_id] * size, *ids[place + 1 :])
        return EncodedPrompt(token_ids, picture.id, pixels)

    def decode(self, ids: Iterable[int]) -> str:
        """Text of token ids, without special tokens."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def positions(self, tree: TokenTree, pixels: Pixels) -> torch.Tensor:
        """Multimodal rotary positions of a tree's nodes, int64 (3, L), from the model's own rule.

        The picture lies in the part all sequences share, so a node's position depends on its depth alone.
        """
        ids_D = torch.from_numpy(tree.ids_L[max(tree.paths, key=len)])
        positions_31D, _ = self.model.base_model.get_rope_index(
            ids_D[None],
            mm_token_type_ids=(ids_D == self.image_token_id)[None].int(),
            image_grid_thw=pixels["image_grid_thw"],
        )
        positions_3L: torch.Tensor = positions_31D[:, 0, torch.from_numpy(tree.depth_L)]
        return positions_3L

    def hidden(
        self, trees: Sequence[TokenTree], pixels: Sequence[Pixels], cache: TreeCache | None = None
    ) -> torch.Tensor:
        """Last hidden states of packed trees, (B, L, H); each picture passes the vision tower once.

        Args:
            pixels: of each tree's picture, in the order of the trees.
            cache: filled with the trees' keys and values when given.
        """
        packed = PackedTrees.pack(trees, self.pad_id)
        positions_3BL = torch.zeros((3, *packed.ids_BL.shape), dtype=torch.int64)
        for row, (tree, picture) in enumerate(zip(trees, pixels, strict=True)):
            positions_3BL[:, row, : len(tree)] = self.positions(tree, picture)
        device = self.device
        ids_BL = packed.ids_BL.to(device)
        embeds_BLH = self.model.get_input_embeddings()(ids_BL)
        is_picture_BL1 = (ids_BL == self.image_token_id)[..., None]
        embeds_BLH = embeds_BLH.masked_scatter(is_picture_BL1, self._features(pixels).to(embeds_BLH.dtype))
        output = self.model.base_model(
            inputs_embeds=embeds_BLH,
            attention_mask=_additive(packed.mask_B1LL.to(device), self.model.dtype),
            position_ids=positions_3BL.to(device),
            past_key_values=cache,
            use_cache=cache is not None,
        )
        hidden_BLH: torch.Tensor = output.last_hidden_state
        return hidden_BLH

    def _features(self, pixels: Sequence[Pixels]) -> torch.Tensor:
        """What the vision tower says of the pictures, one after the other: (image tokens, H).

        A tower that nobody trains looks at each picture once.
        """
        if any(parameter.requires_grad for parameter in self.vision.parameters()):
            return self._look(pixels)
        unseen = list({id(p): p for p in pixels if "features" not in p}.values())
        # Made outside inference mode, since an update may use them as well.
        with torch.inference_mode(False), torch.no_grad():
            for start in range(0, len(unseen), _LOOK_AT_ONCE):
                batch = unseen[start : start + _LOOK_AT_ONCE]
                merged = self.image_processor.merge_size**2
                sizes = [int(p["image_grid_thw"].prod()) // merged for p in batch]
                for picture, features in zip(batch, self._look(batch).split(sizes), strict=True):
                    picture["features"] = features.clone()
                    self._pictures.grown(picture, features.nbytes)
        return torch.cat([p["features"] for p in pixels])

    def _look(self, pixels: Sequence[Pixels]) -> torch.Tensor:
        patches = torch.cat([p["pixel_values"] for p in pixels]).to(self.device, self.model.dtype)
        grids = torch.cat([p["image_grid_thw"] for p in pixels]).to(self.device)
        features: torch.Tensor = self.vision(patches, grid_thw=grids).pooler_output
        return features

    def extend(
        self, ids_BN: torch.Tensor, positions_BN: torch.Tensor, mask_BNK: torch.Tensor, cache: TreeCache
    ) -> torch.Tensor:
        """Grow each tree by N text nodes; their last hidden states, (B, N, H).

        Args:
            ids_BN: int64 tokens of the new nodes.
            positions_BN: int64 rotary positions, the same on all three axes as these are no picture tokens.
            mask_BNK: bool, which of the tree's nodes each new node sees; the last N columns are the new nodes.
        """
        output = self.model.base_model(
            input_ids=ids_BN,
            attention_mask=_additive(mask_BNK[:, None], self.model.dtype),
            position_ids=positions_BN[None].expand(3, -1, -1),
            past_key_values=cache,
            use_cache=True,
        )
        hidden_BNH: torch.Tensor = output.last_hidden_state
        return hidden_BNH

    def logits(self, hidden_MH: torch.Tensor) -> torch.Tensor:
        """Float32 next-token logits (M, V) of hidden states."""
        logits_MV: torch.Tensor = self.model.get_output_embeddings()(hidden_MH)
        return logits_MV.float()

    def logprobs(
        self, trees: Sequence[TokenTree], pixels: Sequence[Pixels], starts: Sequence[Sequence[int]]
    ) -> TokenScores:
        """Log-probabilities and entropies of each sequence's tokens from its start on.

        A token that several sequences share is scored once, and only wanted tokens reach the vocabulary.

        Args:
            starts: for each tree, for each of its sequences, the first token to score, at least 1.
        """
        hidden_BLH = self.hidden(trees, pixels)
        wanted = _WantedNodes.find(trees, starts, width=hidden_BLH.shape[1])
        device = hidden_BLH.device
        hidden_MH = hidden_BLH.flatten(0, 1)[torch.from_numpy(wanted.parents_M).to(device)]
        scores_M2 = self._score(hidden_MH, torch.from_numpy(wanted.ids_M).to(device))
        mask_ST = torch.from_numpy(wanted.mask_ST).to(device)
        padded_ST2 = scores_M2.new_zeros(*mask_ST.shape, 2)
        padded_ST2[mask_ST] = scores_M2[torch.from_numpy(wanted.inverse).to(device)]
        return TokenScores(padded_ST2[..., 0], padded_ST2[..., 1].detach(), mask_ST)

    def _score(self, hidden_MH: torch.Tensor, ids_M: torch.Tensor) -> torch.Tensor:
        """Log-probability and entropy, (M, 2), in chunks whose logits are recomputed for the gradient."""
        size = max(1, _CHUNK_NUMBERS // self.model.get_output_embeddings().weight.shape[0])
        if len(ids_M) <= size:
            return self._score_chunk(hidden_MH, ids_M)
        chunks = zip(hidden_MH.split(size), ids_M.split(size), strict=True)
        return torch.cat([checkpoint(self._score_chunk, h, i, use_reentrant=False) for h, i in chunks])

    def _score_chunk(self, hidden_MH: torch.Tensor, ids_M: torch.Tensor) -> torch.Tensor:
        logprobs_MV = self.logits(hidden_MH).log_softmax(-1)
        chosen_M = logprobs_MV.gather(1, ids_M[:, None])[:, 0]
        with torch.no_grad():
            entropy_M = -(logprobs_MV.exp() * logprobs_MV).sum(-1)
        return torch.stack([chosen_M, entropy_M], dim=-1)


@dataclass(frozen=True, slots=True)
class _WantedNodes:
    """Distinct nodes to score (M) and where each belongs: nodes of `mask_ST` in order are `ids_M[inverse]`."""

    ids_M: np.ndarray
    parents_M: np.ndarray
    inverse: np.ndarray
    mask_ST: np.ndarray

    @classmethod
    def find(cls, trees: Sequence[TokenTree], starts: Sequence[Sequence[int]], width: int) -> _WantedNodes:
        """Nodes are numbered over the batch, tree `b`'s node `n` as `b * width + n`."""
        spans: list[np.ndarray] = []
        for row, (tree, firsts) in enumerate(zip(trees, starts, strict=True)):
            for path, first in zip(tree.paths, firsts, strict=True):
                if not 1 <= first < len(path):
                    raise ValueError(f"cannot score a sequence of {len(path)} tokens from token {first} on")
                spans.append(row * width + path[first:])
        nodes_M, inverse = np.unique(np.concatenate(spans), return_inverse=True)
        rows_M, local_M = np.divmod(nodes_M, width)
        ids_M = np.array([trees[row].ids_L[node] for row, node in zip(rows_M, local_M, strict=True)])
        parents_M = np.array([row * width + trees[row].parent_L[n] for row, n in zip(rows_M, local_M, strict=True)])
        lengths_S = np.array([len(span) for span in spans])
        mask_ST = np.arange(lengths_S.max())[None, :] < lengths_S[:, None]
        return cls(ids_M, parents_M, inverse, mask_ST)


def _additive(mask: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """0 where True, minus infinity where False: converted once here, not once in every layer."""
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, float("-inf"))


def _eos_ids(model: Any, tokenizer: Any) -> tuple[int, ...]:
    configured = model.generation_config.eos_token_id
    ids = configured if isinstance(configured, (list, tuple)) else [configured]
    found = {int(i) for i in (*ids, tokenizer.eos_token_id) if i is not None}
    if not found:
        raise ModelError("the model names no end-of-text token; set eos_token_id in generation_config.json")
    return tuple(sorted(found))


def check_model(name: str) -> None:
    """Read the configuration of a model, without its weights.

    Raises:
        ModelError: it is missing, or not of a family or kind that is supported.
    """
    # A hub id is owner/name; asking the hub for anything else would only take long to fail.
    is_hub_id = re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", name) is not None
    if not is_hub_id and not Path(name).is_dir():
        raise ModelError(f"no model folder '{name}'; give a folder or a hub id such as Qwen/Qwen2.5-VL-3B-Instruct")
    try:
        config = AutoConfig.from_pretrained(name)
    except _LOAD_ERRORS as error:
        raise ModelError(f"cannot load model '{name}': {_one_line(error)}") from None
    if config.model_type not in FAMILIES:
        raise ModelError(f"model '{name}' is of type {config.model_type}; supported are {', '.join(FAMILIES)}")
    if any(kind != "full_attention" for kind in getattr(config.text_config, "layer_types", None) or ()):
        raise ModelError(f"model '{name}' has layers other than full attention, where token trees are not valid")


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."
