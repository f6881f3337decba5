"""A role's weights and the frozen reference for its KL penalty.

The reference is the base, which both roles share, unless a role holds another: its own weights of an earlier moment.
"""

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
        """Context manager: the VLM with the reference's weights: the base's, unless others are held."""
        yield self.vlm

    def hold_reference(self, folder: Path | None = None) -> None:
        """Hold the role's present weights as its reference, or those that `save` wrote to `folder`."""

    def release_reference(self) -> None:
        """Make the base the reference again."""

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
        self._held: VLM | None = None

    @contextmanager
    def active(self) -> Iterator[VLM]:
        self.vlm.offloader.to_device()
        yield self.vlm

    @contextmanager
    def reference(self) -> Iterator[VLM]:
        reference = self._held or self._base
        reference.offloader.to_device()
        yield reference

    def hold_reference(self, folder: Path | None = None) -> None:
        self.vlm.offloader.to_device()
        vision = [*self._base.vision, *self.vlm.vision]
        frozen = {id(part): part for part in vision if not any(p.requires_grad for p in part.parameters())}
        held = copy.deepcopy(self.vlm.model, frozen).requires_grad_(False).eval()
        if folder is not None:
            self._read(folder, held)
        self._held = self._base.with_model(held)

    def release_reference(self) -> None:
        self._held = None

    def offload(self) -> None:
        for vlm in (self.vlm, self._base, self._held):
            if vlm is not None:
                vlm.offloader.offload()

    def trainable(self) -> list[torch.nn.Parameter]:
        return [p for p in self.model.parameters() if p.requires_grad]

    def load(self, folder: str | Path) -> None:
        self._read(folder, self.vlm.model)
        self.version += 1

    def _read(self, folder: str | Path, model: torch.nn.Module) -> None:
        """Read the weights of `model`."""
        if not any(Path(folder).glob("*.safetensors")):
            raise ModelError(f"no weights (*.safetensors) in '{folder}'")
        try:
            with quiet():
                restored = type(self.vlm.model).from_pretrained(folder, dtype=self.vlm.model.dtype)
            check_finite(restored.named_parameters(), str(folder), "it cannot be used")
            model.load_state_dict(restored.state_dict())
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
        self._config = LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,
            lora_dropout=settings.dropout,
            target_modules=target_pattern(base.model, settings.targets),
        )
        self._held = ""  # the adapter with the reference's weights; empty for the base
        self._add(role)

    @contextmanager
    def active(self) -> Iterator[VLM]:
        self.vlm.model.enable_adapters()
        self.vlm.model.set_adapter(self.role)
        yield self.vlm

    @contextmanager
    def reference(self) -> Iterator[VLM]:
        if self._held:
            self.vlm.model.set_adapter(self._held)
        else:
            self.vlm.model.disable_adapters()
        try:
            yield self.vlm
        finally:
            self.vlm.model.enable_adapters()
            self.vlm.model.set_adapter(self.role)

    def hold_reference(self, folder: Path | None = None) -> None:
        self._held = f"{self.role}_reference"
        if self._held not in self.vlm.model.peft_config:
            self._add(self._held)
        if folder is not None:
            self._read(folder, self._held)
        else:
            with torch.no_grad():
                for kept, weight in zip(self._weights(self._held), self._weights(self.role), strict=True):
                    kept.copy_(weight)
        self.vlm.model.set_adapter(self.role)

    def release_reference(self) -> None:
        self._held = ""

    def without_adapter(self) -> tuple[str, ...]:
        return without_adapter(self.model, self.role)

    def trainable(self) -> list[torch.nn.Parameter]:
        return self._weights(self.role)

    def _add(self, name: str) -> None:
        """Add an adapter in float32: bfloat16 would round a step of 1e-6 to zero. PEFT casts its inputs and outputs."""
        try:
            with warnings.catch_warnings():
                # PEFT warns about a second adapter on one model; here it is intended.
                warnings.filterwarnings("ignore", message="Already found a `peft_config`")
                self.vlm.model.add_adapter(self._config, adapter_name=name)
        except ValueError as error:
            raise ModelError(f"cannot add an adapter to '{self.vlm.name}': {one_line(error)}") from None
        for parameter in self._weights(name):
            parameter.data = parameter.data.float()

    def _weights(self, adapter: str) -> list[torch.nn.Parameter]:
        return [p for name, p in self.model.named_parameters() if "lora_" in name and f".{adapter}." in name]

    def save(self, folder: str | Path) -> None:
        # transformers' save_pretrained writes on rank 0 only, but the vLLM of each rank needs the files.
        Path(folder).mkdir(parents=True, exist_ok=True)
        weights = self.vlm.model.get_adapter_state_dict(adapter_name=self.role)
        check_finite(weights.items(), f"the {self.role} cannot be saved", _LOWER)
        named = {f"base_model.model.{name}": weight for name, weight in weights.items()}
        save_file(named, Path(folder) / SAFETENSORS_WEIGHTS_NAME, metadata={"format": "pt"})
        self.vlm.model.peft_config[self.role].save_pretrained(folder)

    def load(self, folder: str | Path) -> None:
        self._read(folder, self.role)
        self.version += 1

    def _read(self, folder: str | Path, adapter: str) -> None:
        """Read the weights of an adapter from what `save` wrote."""
        try:
            weights = load_peft_weights(str(folder), device="cpu")
            check_finite(weights.items(), str(folder), "it cannot be used")
            set_peft_model_state_dict(self.model, weights, adapter_name=adapter)
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
