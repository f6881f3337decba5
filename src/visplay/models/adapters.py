"""Which linear layers of a model get an adapter, and which get none."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from peft.tuners.tuners_utils import BaseTunerLayer

from visplay.errors import ModelError

ALL_LINEAR = "all-linear"
PROJECTOR = "projector"
# Parts of a vision tower that project its output, in families that have no module of its own for that.
_WITHIN_TOWER = re.compile("merger|projector|connector")


def target_pattern(model: Any, targets: Sequence[str]) -> str:
    """A regular expression for the names of the layers that get an adapter; it matches no others.

    Args:
        targets: names of linear layers of the decoder; `all-linear` for all of them; `projector` for those between
            vision tower and decoder.
    Raises:
        ModelError: there are no such layers.
    """
    decoder, in_decoder = _decoder_name(model), set(_decoder_layers(model))
    wanted = {name for name in in_decoder if ALL_LINEAR in targets or name.rpartition(".")[2] in targets}
    projector = set(_projector_layers(model)) if PROJECTOR in targets else set()
    if not wanted | projector or (PROJECTOR in targets and not projector):
        has = ", ".join(sorted({name.rpartition(".")[2] for name in in_decoder}))
        raise ModelError(
            f"no linear layers for lora.targets [{', '.join(targets)}]; the language model has {has}"
            f"{'' if _projector_layers(model) else ', and there is no linear projector'}"
        )
    leaves = "|".join(sorted({re.escape(name.rpartition(".")[2]) for name in wanted}))
    short = rf"{re.escape(decoder)}\.(?:.*\.)?(?:{leaves})"
    matched = {name for name, _ in model.named_modules() if re.fullmatch(short, name)}
    parts = [short] if wanted and matched == wanted else [re.escape(name) for name in sorted(wanted)]
    return "|".join([*parts, *(re.escape(name) for name in sorted(projector))])


def without_adapter(model: Any, role: str) -> tuple[str, ...]:
    """Linear layers of the decoder without an adapter of a role: the name of each kind, with their number."""
    without = Counter(
        _kind(name) for name, layer in _decoder_layers(model).items() if role not in getattr(layer, "lora_A", {})
    )
    # The experts of a mixture are one tensor, which holds the weights of many linear layers.
    without.update(
        _kind(name) for name, p in model.get_decoder().named_parameters() if p.ndim == 3 and _is_experts(name)
    )
    return tuple(f"{kind} ({number})" for kind, number in without.items())


def _decoder_name(model: Any) -> str:
    decoder = model.get_decoder()
    names: dict[str, torch.nn.Module] = dict(model.named_modules())
    return next(name for name, module in names.items() if module is decoder)


def _decoder_layers(model: Any) -> dict[str, torch.nn.Module]:
    return dict(_linear_layers(model.get_decoder(), _decoder_name(model)))


def _projector_layers(model: Any) -> list[str]:
    base, prefix = model.base_model, model.base_model_prefix
    tower, audio = model.get_encoder(modality="image"), model.get_encoder(modality="audio")
    others = {
        f"{prefix}.{name}": child
        for name, child in base.named_children()
        if child is not model.get_decoder() and child is not audio and "audio" not in name
    }
    beside = [layer for name, child in others.items() if child is not tower for layer, _ in _linear_layers(child, name)]
    within = (layer for name, child in others.items() if child is tower for layer, _ in _linear_layers(child, name))
    return beside or [layer for layer in within if _WITHIN_TOWER.search(layer.partition(f"{prefix}.")[2])]


def _linear_layers(root: torch.nn.Module, prefix: str) -> Iterator[tuple[str, torch.nn.Module]]:
    """Linear layers with their names; one with adapters counts as one."""
    adapted = "/"  # in no name
    for name, module in root.named_modules(prefix=prefix):
        if name.startswith(f"{adapted}."):
            continue
        if isinstance(module, BaseTunerLayer):
            adapted = name
        if isinstance(module.get_base_layer() if isinstance(module, BaseTunerLayer) else module, torch.nn.Linear):
            yield name, module


def _is_experts(name: str) -> bool:
    return "experts." in name and "lora_" not in name


def _kind(name: str) -> str:
    """The last two parts of a layer's name, such as linear_attn.out_proj."""
    return ".".join(name.split(".")[-2:])
