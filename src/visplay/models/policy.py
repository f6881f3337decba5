"""A role's weights and the frozen reference for its KL penalty: the base model, which both roles share."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import torch
from peft import LoraConfig, load_peft_weights, set_peft_model_state_dict
from peft.utils import SAFETENSORS_WEIGHTS_NAME
from safetensors import SafetensorError
from safetensors.torch import save_file

from visplay.config import LoraSettings, Settings
from visplay.errors import ModelError, one_line
from visplay.models.adapters import target_pattern, without_adapter
from visplay.models.finite import check_finite
from visplay.models.vlm import VLM, quiet

_LOWER = "lower rl.learning_rate, then continue with --resume"


class Policy:
    """A frozen model with the interface of a policy; it is its own reference and has no trainable weights."""

    def __init__(self, vlm: VLM, role: str = "base") -> None:
        self.vlm = vlm
        self.role = role
        self.version = 0  # counts changes of the weights; an engine compares it to know when its copy is stale

    @property
    def model(self) -> torch.nn.Module:
        return cast(torch.nn.Module, self.vlm.model)

    @contextmanager
    def active(self) -> Iterator[VLM]:
        """Context manager: the VLM with this role's weights."""
        yield self.vlm

    @contextmanager
    def reference(self) -> Iterator[VLM]:
        """Context manager: the VLM with the base's weights."""
        yield self.vlm

    def trainable(self) -> list[torch.nn.Parameter]:
        """The trainable parameters of this role."""
        return []

    def without_adapter(self) -> tuple[str, ...]:
        """Kinds of linear layers of the language model that have no adapter, with their numbers; for adapters only."""
        return ()

    def offload(self) -> None:
        """Move a role's own copy of the weights and the reference to CPU memory, until they are used again."""

    def checkpoint_activations(self) -> None:
        """Recompute activations in the backward pass: less memory, about a third more time."""
        self.vlm.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})

    def save(self, folder: str | Path) -> None:
        """Write the weights: a whole model in Hugging Face format, or an adapter in PEFT format.

        ModelError if a weight is not finite.
        """
        check_finite(self.vlm.model.named_parameters(), f"the {self.role} cannot be saved", _LOWER)
        self.vlm.save(folder)

    def load(self, folder: str | Path) -> None:
        """Read weights that `save` wrote; ModelError if there are none, they are of another model, or it is frozen."""
        raise ModelError(f"the {self.role} is frozen; nothing can be loaded into it")


class FullPolicy(Policy):
    """A copy of the base with all weights trainable; without `train_vision`, the vision tower is shared and frozen."""

    def __init__(self, base: VLM, role: str, train_vision: bool) -> None:
        self._base = base
        base.offloader.to_device()
        base.model.requires_grad_(False)
        shared = {} if train_vision else {id(part): part for part in base.vision}
        super().__init__(base.with_model(copy.deepcopy(base.model, shared).requires_grad_(True)), role)
        for parameter in self.vlm.vision_parameters():
            parameter.requires_grad_(train_vision)

    @contextmanager
    def active(self) -> Iterator[VLM]:
        self.vlm.offloader.to_device()
        yield self.vlm

    @contextmanager
    def reference(self) -> Iterator[VLM]:
        self._base.offloader.to_device()
        yield self._base

    def offload(self) -> None:
        self.vlm.offloader.offload()
        self._base.offloader.offload()

    def trainable(self) -> list[torch.nn.Parameter]:
        return [p for p in self.model.parameters() if p.requires_grad]

    def load(self, folder: str | Path) -> None:
        if not any(Path(folder).glob("*.safetensors")):
            raise ModelError(f"no weights (*.safetensors) in '{folder}'")
        try:
            with quiet():
                restored = type(self.vlm.model).from_pretrained(folder, dtype=self.vlm.model.dtype)
            check_finite(restored.named_parameters(), str(folder), "it cannot be used")
            self.vlm.model.load_state_dict(restored.state_dict())
            self.version += 1
        except ModelError:
            raise
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise ModelError(f"weights in '{folder}' do not fit '{self.vlm.name}': {one_line(error)}") from None


class LoraPolicy(Policy):
    """An adapter of low rank on linear layers (LoRA, arXiv 2106.09685), one per role; see `LoraSettings.targets`."""

    def __init__(self, base: VLM, role: str, settings: LoraSettings) -> None:
        super().__init__(base, role)
        if base.device.type == "cpu" and getattr(base.model, "is_quantized", False):
            raise ModelError(f"4-bit weights of '{base.name}' have no gradient on a CPU; leave four_bit out")
        base.model.requires_grad_(False)
        layers = target_pattern(base.model, settings.targets)
        config = LoraConfig(
            r=settings.rank, lora_alpha=settings.alpha, lora_dropout=settings.dropout, target_modules=layers
        )
        try:
            with warnings.catch_warnings():
                # PEFT warns about a second adapter on one model; here it is intended.
                warnings.filterwarnings("ignore", message="Already found a `peft_config`")
                base.model.add_adapter(config, adapter_name=role)
        except ValueError as error:
            raise ModelError(f"cannot add an adapter to '{base.name}': {one_line(error)}") from None
        for parameter in self.trainable():
            # bfloat16 would round a step of 1e-6 to zero. PEFT casts the adapter's inputs and outputs.
            parameter.data = parameter.data.float()

    @contextmanager
    def active(self) -> Iterator[VLM]:
        self.vlm.model.enable_adapters()
        self.vlm.model.set_adapter(self.role)
        yield self.vlm

    @contextmanager
    def reference(self) -> Iterator[VLM]:
        self.vlm.model.disable_adapters()
        try:
            yield self.vlm
        finally:
            self.vlm.model.enable_adapters()

    def without_adapter(self) -> tuple[str, ...]:
        return without_adapter(self.model, self.role)

    def trainable(self) -> list[torch.nn.Parameter]:
        return [p for name, p in self.model.named_parameters() if "lora_" in name and f".{self.role}." in name]

    def save(self, folder: str | Path) -> None:
        # transformers' save_pretrained writes on rank 0 only, but the vLLM of each rank needs the files.
        Path(folder).mkdir(parents=True, exist_ok=True)
        weights = self.vlm.model.get_adapter_state_dict(adapter_name=self.role)
        check_finite(weights.items(), f"the {self.role} cannot be saved", _LOWER)
        named = {f"base_model.model.{name}": weight for name, weight in weights.items()}
        save_file(named, Path(folder) / SAFETENSORS_WEIGHTS_NAME, metadata={"format": "pt"})
        self.vlm.model.peft_config[self.role].save_pretrained(folder)

    def load(self, folder: str | Path) -> None:
        try:
            weights = load_peft_weights(str(folder), device="cpu")
            check_finite(weights.items(), str(folder), "it cannot be used")
            set_peft_model_state_dict(self.model, weights, adapter_name=self.role)
            self.version += 1
        except ModelError:
            raise
        except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
            raise ModelError(f"no adapter for '{self.vlm.name}' in '{folder}': {one_line(error)}") from None


def new_policy(base: VLM, role: str, tune: str, lora: LoraSettings, train_vision: bool = False) -> Policy:
    """A trainable role that starts with the weights of `base`; `train_vision` applies to `tune="full"` only."""
    return FullPolicy(base, role, train_vision) if tune == "full" else LoraPolicy(base, role, lora)


def role_of(base: VLM, role: str, settings: Settings) -> Policy:
    """A trainable role that starts with the weights of `base`, as a run's settings define it."""
    policy = new_policy(base, role, settings.tune, settings.lora, settings.train_vision)
    if settings.gradient_checkpointing:
        policy.checkpoint_activations()
    return policy
