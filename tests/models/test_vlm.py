"""Loading, encoding and saving a model."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import GPT2Config

from visplay.errors import ModelError
from visplay.models import image_cache as module
from visplay.models.probe import probe
from visplay.models.token_tree import TokenTree
from visplay.models.vlm import VLM
from visplay.types import ImageRef


def _one_line(error: pytest.ExceptionInfo[ModelError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    assert error.value.__context__ is None or error.value.__suppress_context__
    return message


def test_a_image_becomes_one_token_for_each_merged_square(vlm: VLM, images: tuple[ImageRef, ...]) -> None:
    for image, size in zip(images, [(32, 32), (24, 32), (32, 24), (16, 24)], strict=False):
        encoded = vlm.encode(image, "What?")
        assert encoded.token_ids.count(vlm.image_token_id) == size[0] * size[1] // 64
        assert encoded.pixels["image_grid_thw"].tolist() == [[1, size[0] // 4, size[1] // 4]]
        assert len(encoded.pixels["pixel_values"]) == size[0] * size[1] // 16


def test_the_prompt_is_the_chat_template_read_back(vlm: VLM, images: tuple[ImageRef, ...]) -> None:
    ids = vlm.encode(images[0], "How many?").token_ids
    text = vlm.tokenizer.decode(ids)
    pads = "<|image_pad|>" * 16
    assert text == (
        f"<|im_start|>user\n<|vision_start|>{pads}<|vision_end|>How many?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert vlm.decode(ids) == "user\nHow many?\nassistant\n"


def test_chat_markup_in_a_prompt_is_no_markup(vlm: VLM, images: tuple[ImageRef, ...]) -> None:
    clean = vlm.encode(images[0], "How many?")
    dirty = vlm.encode(images[0], "How<|im_end|> many<|image_pad|>?")
    assert dirty.token_ids == clean.token_ids


def test_images_of_equal_id_and_other_bytes_are_not_confused(vlm: VLM, images: tuple[ImageRef, ...]) -> None:
    first = vlm.encode(images[0], "?").pixels["pixel_values"]
    impostor = ImageRef(images[0].id, images[4].data)
    assert not torch.equal(vlm.encode(impostor, "?").pixels["pixel_values"], first)
    assert torch.equal(vlm.encode(images[0], "?").pixels["pixel_values"], first)


def test_the_image_cache_forgets_and_finds_again(
    vlm: VLM, images: tuple[ImageRef, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 60_000)
    before = [vlm.encode(p, "?").pixels["pixel_values"] for p in images]
    held = vlm._images
    assert held._bytes <= 60_000 and 1 <= len(held._entries) < len(images)
    assert held._bytes == sum(entry.nbytes for entry in held._entries.values())
    after = [vlm.encode(p, "?").pixels["pixel_values"] for p in images]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_frozen_tower_looks_once_and_a_trained_one_each_time(vlm: VLM, images: tuple[ImageRef, ...]) -> None:
    encoded = vlm.encode(images[0], "?")
    tree = TokenTree.build([encoded.token_ids])
    vlm.model.requires_grad_(True)
    live = vlm.hidden([tree], [encoded.pixels])
    assert encoded.pixels.features is None and live.requires_grad
    vlm.model.requires_grad_(False)
    first = vlm.hidden([tree], [encoded.pixels])
    kept = encoded.pixels.features
    assert torch.allclose(first, live, atol=1e-6)
    assert torch.equal(vlm.hidden([tree], [encoded.pixels]), first) and encoded.pixels.features is kept


@pytest.mark.parametrize(("mode", "size"), [("L", (31, 47)), ("RGBA", (200, 9)), ("P", (5, 5)), ("RGB", (900, 600))])
def test_a_image_of_any_mode_and_size_fits(vlm: VLM, mode: str, size: tuple[int, int]) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.full((size[1], size[0], 3), 99, dtype=np.uint8)).convert(mode).save(buffer, "PNG")
    encoded = vlm.encode(ImageRef("any", buffer.getvalue()), "?")
    patches = int(encoded.pixels["image_grid_thw"].prod())
    assert encoded.token_ids.count(vlm.image_token_id) == patches // 4 > 0


def test_save_and_load_keep_every_weight_and_prompt(vlm: VLM, images: tuple[ImageRef, ...], tmp_path: Path) -> None:
    vlm.save(tmp_path / "copy")
    copy = VLM.load(tmp_path / "copy", device="cpu")
    weights, copied = vlm.model.state_dict(), copy.model.state_dict()
    assert weights.keys() == copied.keys()
    assert all(torch.equal(weights[name], copied[name]) for name in weights)
    assert copy.encode(images[1], "Why?").token_ids == vlm.encode(images[1], "Why?").token_ids
    assert (copy.eos_ids, copy.pad_id) == (vlm.eos_ids, vlm.pad_id)


@pytest.mark.parametrize("name", ["nothing", "./nothing", "nothing/at/all"])
def test_a_missing_folder_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="no model folder") as error:
        VLM.load(name)
    assert name in _one_line(error)


def test_a_folder_without_a_model_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot load model") as error:
        VLM.load(tmp_path)
    _one_line(error)


def test_a_text_model_is_one_line(tmp_path: Path) -> None:
    GPT2Config(n_layer=1, n_embd=8, n_head=1).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="of type gpt2, which takes no images") as error:
        VLM.load(tmp_path)
    _one_line(error)


def test_damaged_weights_are_one_line(model_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(model_folder, tmp_path / "broken")
    (tmp_path / "broken" / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(ModelError, match="cannot load model") as error:
        VLM.load(tmp_path / "broken")
    _one_line(error)


def test_weights_that_are_missing_are_not_drawn_at_random(model_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(model_folder, tmp_path / "model")
    file = next((tmp_path / "model").glob("*.safetensors"))
    weights = load_file(file)
    name = next(name for name in sorted(weights) if "mlp" in name)
    save_file({key: value for key, value in weights.items() if key != name}, file, {"format": "pt"})
    with pytest.raises(ModelError, match=r"has no weights for .*mlp"):
        VLM.load(tmp_path / "model")


@pytest.mark.parametrize("value", ["x", None, [], {}])
@pytest.mark.parametrize("key", ["hidden_size", "num_attention_heads", "num_hidden_layers", "vocab_size"])
def test_a_damaged_configuration_is_one_line(model_folder: Path, tmp_path: Path, key: str, value: object) -> None:
    shutil.copytree(model_folder, tmp_path / "model")
    file = tmp_path / "model" / "config.json"
    config = json.loads(file.read_text())
    (config.get("text_config") or config)[key] = value
    file.write_text(json.dumps(config))
    with pytest.raises(ModelError) as refused:
        VLM.load(tmp_path / "model")
    assert "\n" not in str(refused.value)


def test_sliding_windows_take_the_plain_path(model_folder: Path, tmp_path: Path, images: tuple[ImageRef, ...]) -> None:
    shutil.copytree(model_folder, tmp_path / "sliding")
    file = tmp_path / "sliding" / "config.json"
    config = json.loads(file.read_text())
    window = {"use_sliding_window": True, "sliding_window": 4}
    config["text_config"] |= window | {"layer_types": ["full_attention", "sliding_attention"]}
    file.write_text(json.dumps(config))
    sliding = VLM.load(tmp_path / "sliding", device="cpu")
    assert sliding.padded_because == "the model has layers of sliding_attention"
    assert str(probe(sliding)).startswith("padded path: the model has layers of sliding_attention; it agrees with")
