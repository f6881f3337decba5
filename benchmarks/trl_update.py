"""An update by TRL's own GRPOTrainer, given the completions and their rewards."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import trl.trainer.utils
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from benchmarks.image_processor import load_processor
from benchmarks.shapes import load_plain
from visplay.config import RLSettings
from visplay.types import Group

_MODEL_INPUTS = ("pixel_values", "image_grid_thw", "num_images", "mm_token_type_ids")


class _GivenRollouts(GRPOTrainer):
    """TRL's trainer, whose training step takes inputs that are ready instead of generating first."""

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        return generation_batch


class TrlUpdate:
    """TRL's trainer as `train` sets it up; `prepare` gives the update of a round.

    Args:
        group: completions, all in one batch.
        checkpointing: TRL's default is True.
        compact_head: score the completion's positions alone, as TRL does where it has Triton.
        model: None for that of the folder, in float32 on the CPU.
        arguments: further ones of `GRPOConfig`.
    """

    def __init__(
        self,
        folder: Path,
        settings: RLSettings,
        train_vision: bool,
        group: int,
        checkpointing: bool,
        compact_head: bool = False,
        model: Any = None,
        **arguments: Any,
    ) -> None:
        if compact_head:
            # Read by the fused head alone; the kernel below it has a switch of its own and stays plain PyTorch.
            setattr(trl.trainer.utils, "_use_triton", lambda device: True)  # noqa: B010
        if model is None:
            model = load_plain(folder)
            model.base_model.visual.requires_grad_(train_vision)
        self.model: Any = model
        self.found: list[dict[str, float]] = []
        self._given: Group | None = None
        self._trainer: Any = self._build(folder, settings, group, checkpointing, arguments)
        self.optimizer: torch.optim.Optimizer = self._trainer.optimizer.optimizer  # within accelerate's wrapper

    def _build(
        self, folder: Path, settings: RLSettings, group: int, checkpointing: bool, arguments: dict[str, Any]
    ) -> Any:
        os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"  # `rollout_func` is experimental; it only hands over completions
        trainer: Any = _GivenRollouts(
            model=self.model,
            reward_funcs=lambda reward, **_: reward,
            args=GRPOConfig(
                output_dir=tempfile.gettempdir(),
                report_to="none",
                save_strategy="no",
                gradient_checkpointing=checkpointing,
                learning_rate=settings.learning_rate,
                lr_scheduler_type="constant",
                weight_decay=settings.weight_decay,
                max_grad_norm=settings.max_grad_norm,
                num_generations=group,
                per_device_train_batch_size=group,
                loss_type="dapo",
                beta=settings.kl,
                use_bias_correction_kl=False,  # the penalty as visplay and veRL have it
                **{"use_cpu": True, "bf16": False, **arguments},
            ),
            # Never read, but TRL wants one.
            train_dataset=Dataset.from_dict({"prompt": [[{"role": "user", "content": ""}]]}),
            processing_class=load_processor(folder),
            rollout_func=self._rollout,
        )
        # What `train` does before its first step.
        if checkpointing:
            trainer.model.gradient_checkpointing_enable()
        trainer.create_optimizer()
        trainer.model_wrapped, trainer.optimizer = trainer.accelerator.prepare(trainer.model, trainer.optimizer)
        trainer.create_scheduler(num_training_steps=1000)
        trainer.current_gradient_accumulation_steps = 1
        trainer.model.train()
        return trainer

    def _rollout(self, prompts: list[Any], trainer: GRPOTrainer) -> dict[str, Any]:
        assert self._given is not None
        prompt_ids, _, _ = trainer._tokenize_prompts(prompts)
        completion_ids = [list(completion.token_ids) for completion in self._given.completions]
        return {"prompt_ids": prompt_ids, "completion_ids": completion_ids, "logprobs": None}

    def prepare(self, group: Group) -> Callable[[], object]:
        """TRL makes its own inputs of the group; the update is what follows."""
        self._given = group
        example = {"prompt": [{"role": "user", "content": group.request.prompt}], "image": group.request.image.load()}
        beta, self._trainer.beta = self._trainer.beta, 0.0  # the reference's pass belongs to the timed part
        inputs = self._trainer._generate_and_score_completions([{**example, "reward": r} for r in group.rewards])
        self._trainer.beta = beta
        return lambda: self._update(inputs)

    def _update(self, inputs: dict[str, Any]) -> None:
        """The body of transformers' training loop for one batch."""
        trainer = self._trainer
        if trainer.beta:
            inputs["ref_per_token_logps"] = self._reference(inputs)
        loss = trainer.training_step(trainer.model_wrapped, inputs, None)
        norm = trainer._clip_grad_norm(trainer.model_wrapped)
        trainer.optimizer.step()
        trainer.lr_scheduler.step()
        trainer.model_wrapped.zero_grad()
        metrics = {name: values[-1] for name, values in trainer._metrics["train"].items() if name in ("entropy", "kl")}
        self.found.append({"loss": float(loss), "grad_norm": float(norm), **metrics})

    def _reference(self, inputs: dict[str, Any]) -> torch.Tensor:
        """As TRL computes it when it scores completions."""
        with torch.no_grad():
            logprobs: torch.Tensor
            logprobs, _, _ = self._trainer._get_per_token_logps_and_entropies(
                self._trainer.ref_model,
                torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1),
                torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1),
                inputs["completion_ids"].size(1),
                batch_size=self._trainer.args.per_device_train_batch_size,
                **{name: inputs[name] for name in _MODEL_INPUTS},
            )
        return logprobs
