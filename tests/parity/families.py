"""Tiny random models of vision-language families, of transformers' own classes, with images of random pixels.

No processor is needed: an image is given as the tensors and the run of tokens that the family's processor would
make of it. Weights are drawn larger than baseline, so that the image and every earlier token visibly change what
follows. Token ids below `TEXT_IDS` are text; images use the ids above.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import transformers as hf

TEXT_IDS = 290
_IMAGE, _START, _END, _VIDEO, _TILE, _WHOLE = range(TEXT_IDS, 296)
_AUDIO = {"audio_token_id": 296, "boa_token_id": 297, "eoa_token_index": 298}
_VOCABULARY = 300
_TEXT = {
    "vocab_size": _VOCABULARY,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 1024,
    "eos_token_id": None,
    "bos_token_id": None,
    "pad_token_id": 0,
}
# Towers that see square tiles of 16 x 16 pixels, 16 patches each.
_TOWER = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 16,
    "patch_size": 4,
}
_TILED = {"vision_config": _TOWER, "image_token_id": _IMAGE, "scale_factor": 2, "pad_token_id": 0}
_QWEN_TOWER = {"depth": 2, "num_heads": 2, "patch_size": 4, "spatial_merge_size": 2}
_QWEN_IDS = {
    "image_token_id": _IMAGE,
    "video_token_id": _VIDEO,
    "vision_start_token_id": _START,
    "vision_end_token_id": _END,
}


@dataclass(frozen=True)
class Tiny:
    """A model and what it takes for one image.

    Attributes:
        image_ids: the tokens that stand for the image, with the markers around them.
        pixel_shape: of the image's `pixel_values`.
        extras: the other tensors that belong to the image.
        types: name of the argument that marks image tokens with 1, for models that want one.
    """

    name: str
    model: Any
    image_ids: tuple[int, ...]
    pixel_shape: tuple[int, ...]
    extras: dict[str, torch.Tensor] = field(default_factory=dict)
    types: str | None = None
    image_token_id: int = _IMAGE

    def pixels(self, seed: int) -> dict[str, torch.Tensor]:
        """The model's keyword arguments for one image of noise."""
        noise = torch.randn(self.pixel_shape, generator=torch.Generator().manual_seed(seed))
        return {"pixel_values": noise, **self.extras}


def plain(tiny: Tiny, pixels: dict[str, torch.Tensor], ids: Sequence[int]) -> torch.Tensor:
    """Logits (tokens, vocabulary) of one sequence on one image, as a user of transformers computes them."""
    ids_1T = torch.tensor([list(ids)])
    types = {tiny.types: (ids_1T == tiny.image_token_id).int()} if tiny.types else {}
    logits: torch.Tensor = tiny.model(
        input_ids=ids_1T, attention_mask=torch.ones_like(ids_1T), use_cache=False, **types, **pixels
    ).logits
    return logits[0]


def random_model(kind: Callable[[Any], Any], config: Any) -> Any:
    """A model of a class with weights drawn from seed 0, larger than baseline."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        model = kind(config)
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.15)
    return model.eval()


def _rope(**more: object) -> dict[str, object]:
    return {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, **more}}


def _qwen(name: str, kind: Callable[[Any], Any], config: Any) -> Tiny:
    """An image of 4 x 6 patches, each 2 x 2 of them one token."""
    return Tiny(
        name,
        random_model(kind, config),
        image_ids=(_START, *[_IMAGE] * 6, _END),
        pixel_shape=(24, 3 * 2 * 4 * 4),
        extras={"image_grid_thw": torch.tensor([[1, 4, 6]])},
        types="mm_token_type_ids",
    )


def qwen2_vl() -> Tiny:
    text = _TEXT | _rope(mrope_section=[2, 3, 3])
    tower = _QWEN_TOWER | {"embed_dim": 32, "hidden_size": 64, "mlp_ratio": 2}
    config = hf.Qwen2VLConfig(text_config=text, vision_config=tower, **_QWEN_IDS)
    return _qwen("qwen2_vl", hf.Qwen2VLForConditionalGeneration, config)


def qwen2_5_vl() -> Tiny:
    text = _TEXT | _rope(mrope_section=[2, 3, 3])
    tower = _QWEN_TOWER | {"hidden_size": 32, "intermediate_size": 48, "out_hidden_size": 64}
    tower |= {"window_size": 16, "fullatt_block_indexes": [1]}
    config = hf.Qwen2_5_VLConfig(text_config=text, vision_config=tower, **_QWEN_IDS)
    return _qwen("qwen2_5_vl", hf.Qwen2_5_VLForConditionalGeneration, config)


def qwen3_vl() -> Tiny:
    """Its image also enters after the first decoder layer (DeepStack)."""
    text = _TEXT | _rope(mrope_section=[4, 2, 2], mrope_interleaved=True)
    tower = _QWEN_TOWER | {"hidden_size": 32, "intermediate_size": 48, "out_hidden_size": 64}
    tower |= {"num_position_embeddings": 16, "deepstack_visual_indexes": [0]}
    config = hf.Qwen3VLConfig(text_config=text, vision_config=tower, **_QWEN_IDS)
    return _qwen("qwen3_vl", hf.Qwen3VLForConditionalGeneration, config)


def qwen3_5() -> Tiny:
    """Its first layer has a state in the place of attention (Gated DeltaNet)."""
    text = _TEXT | _rope(mrope_section=[2, 1, 1], mrope_interleaved=True, partial_rotary_factor=0.5)
    text |= {"layer_types": ["linear_attention", "full_attention"], "linear_num_key_heads": 2}
    text |= {"linear_num_value_heads": 4, "linear_key_head_dim": 16, "linear_value_head_dim": 16}
    tower = _QWEN_TOWER | {"hidden_size": 32, "intermediate_size": 48, "out_hidden_size": 64}
    config = hf.Qwen3_5Config(text_config=text, vision_config=tower | {"num_position_embeddings": 16}, **_QWEN_IDS)
    return _qwen("qwen3_5", hf.Qwen3_5ForConditionalGeneration, config)


def glm4v() -> Tiny:
    text = _TEXT | _rope(mrope_section=[4, 2, 2], partial_rotary_factor=1.0)
    tower = _QWEN_TOWER | {"hidden_size": 32, "intermediate_size": 48, "out_hidden_size": 64, "image_size": 16}
    ids = {"image_token_id": _IMAGE, "video_token_id": _VIDEO}
    ids |= {"image_start_token_id": _START, "image_end_token_id": _END}
    config = hf.Glm4vConfig(text_config=text, vision_config=tower, **ids)
    return _qwen("glm4v", hf.Glm4vForConditionalGeneration, config)


def _tiled(name: str, kind: Callable[[Any], Any], config: Any) -> Tiny:
    """Two tiles with four tokens each, the second one the whole image; the right edge is padding."""
    seen = torch.ones(1, 2, 16, 16, dtype=torch.int64)
    seen[..., 12:] = 0
    return Tiny(
        name,
        random_model(kind, config),
        image_ids=(_START, _TILE, *[_IMAGE] * 4, _START, _WHOLE, *[_IMAGE] * 4, _START),
        pixel_shape=(1, 2, 3, 16, 16),
        extras={"pixel_attention_mask": seen},
    )


def idefics3() -> Tiny:
    text = _TEXT | _rope() | {"model_type": "llama"}
    config = hf.Idefics3Config(text_config=text, **_TILED)
    return _tiled("idefics3", hf.Idefics3ForConditionalGeneration, config)


def smolvlm() -> Tiny:
    text = _TEXT | _rope() | {"model_type": "llama"}
    config = hf.SmolVLMConfig(text_config=text, **_TILED)
    return _tiled("smolvlm", hf.SmolVLMForConditionalGeneration, config)


def llava_onevision() -> Tiny:
    """An image of 16 x 32 pixels: the whole, then its two tiles, with a token at each line's end."""
    config = hf.LlavaOnevisionConfig(
        text_config=_TEXT | _rope() | {"model_type": "qwen2"},
        vision_config=_TOWER | {"model_type": "siglip_vision_model", "vision_use_head": False},
        image_token_index=_IMAGE,
        video_token_index=_VIDEO,
        image_grid_pinpoints=[[16, 16], [16, 32], [32, 16]],
    )
    return Tiny(
        "llava_onevision",
        random_model(hf.LlavaOnevisionForConditionalGeneration, config),
        image_ids=(_IMAGE,) * (4 * 4 + 4 * (8 + 1)),
        pixel_shape=(1, 3, 3, 16, 16),
        extras={"image_sizes": torch.tensor([[16, 32]])},
    )


def granite4_vision() -> Tiny:
    """Its image enters at all five decoder layers, and its logits are divided by 3. As `llava_onevision`, halved."""
    text = _TEXT | _rope() | {"model_type": "granite4_vision_text", "num_hidden_layers": 5, "logits_scaling": 3.0}
    text |= {"embedding_multiplier": 2.0, "residual_multiplier": 0.7, "attention_multiplier": 0.2}
    former = {"num_hidden_layers": 1, "intermediate_size": 32, "cross_attention_frequency": 1, "hidden_size": 32}
    former |= {"num_attention_heads": 2, "encoder_hidden_size": 32, "use_qformer_text_input": False}
    config = hf.Granite4VisionConfig(
        text_config=text,
        vision_config=_TOWER | {"model_type": "siglip_vision_model", "vision_use_head": False},
        image_token_index=_IMAGE,
        image_grid_pinpoints=[[16, 16], [16, 32], [32, 16]],
        vision_feature_select_strategy="full",
        qformer_config=former,
        downsample_rate="1/2",
        deepstack_layer_map=[[1, 0]],
        spatial_target_layers=[1, 2, 3, 4],
    )
    return Tiny(
        "granite4_vision",
        random_model(hf.Granite4VisionForConditionalGeneration, config),
        image_ids=(_IMAGE,) * (2 * 2 + 2 * (4 + 1)),
        pixel_shape=(1, 3, 3, 16, 16),
        extras={"image_sizes": torch.tensor([[16, 32]])},
    )


def internvl() -> Tiny:
    """An image of two tiles."""
    config = hf.InternVLConfig(
        text_config=_TEXT | _rope() | {"model_type": "qwen2"},
        vision_config=_TOWER,
        image_token_id=_IMAGE,
        image_seq_length=4,
        tie_word_embeddings=False,
    )
    return Tiny(
        "internvl",
        random_model(hf.InternVLForConditionalGeneration, config),
        image_ids=(_START, *[_IMAGE] * 8, _END),
        pixel_shape=(2, 3, 16, 16),
    )


def gemma3() -> Tiny:
    """Its first layer sees eight tokens back, and an image's tokens see each other."""
    text = _TEXT | {"sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]}
    config = hf.Gemma3Config(
        text_config=text | {"query_pre_attn_scalar": 16},
        vision_config=_TOWER | {"vision_use_head": False},
        mm_tokens_per_image=4,
        image_token_index=_IMAGE,
        boi_token_index=_START,
        eoi_token_index=_END,
    )
    return Tiny(
        "gemma3",
        random_model(hf.Gemma3ForConditionalGeneration, config),
        image_ids=(_START, *[_IMAGE] * 4, _END),
        pixel_shape=(1, 3, 16, 16),
        types="token_type_ids",
    )


def gemma4() -> Tiny:
    """An image of 4 x 6 patches; its first layer sees eight tokens back, and its logits are capped at 2."""
    text = _TEXT | {"sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]}
    text |= {"global_head_dim": 32, "hidden_size_per_layer_input": 8, "vocab_size_per_layer_input": _VOCABULARY}
    tower = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    tower |= {"num_key_value_heads": 2, "head_dim": 16, "patch_size": 4, "pooling_kernel_size": 2}
    config = hf.Gemma4Config(
        text_config=text | {"final_logit_softcapping": 2.0},
        vision_config=tower | {"position_embedding_size": 64},
        image_token_id=_IMAGE,
        boi_token_id=_START,
        eoi_token_id=_END,
        video_token_id=_VIDEO,
        **_AUDIO,
    )
    places = torch.cartesian_prod(torch.arange(4), torch.arange(6)).flip(1)
    return Tiny(
        "gemma4",
        random_model(hf.Gemma4ForConditionalGeneration, config),
        image_ids=(_START, *[_IMAGE] * 6, _END),
        pixel_shape=(1, 24, 3 * 4 * 4),
        extras={"image_position_ids": places[None]},
        types="mm_token_type_ids",
    )


_MADE = (
    *(qwen2_vl, qwen2_5_vl, qwen3_vl, qwen3_5, glm4v),
    *(idefics3, smolvlm, llava_onevision, granite4_vision, internvl, gemma3, gemma4),
)
FAMILIES: dict[str, Callable[[], Tiny]] = {make.__name__: make for make in _MADE}
# Token trees are not valid for these.
PADDED = {"qwen3_5", "gemma3", "gemma4"}
