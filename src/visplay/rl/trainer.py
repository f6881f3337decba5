"""One step of policy optimisation of a role, over token trees.

The groups of an image share a tree, so its pixels and prompts are computed once for all their completions. With several
processes, each takes its share of the images, and gradients are added. Left out: learning-rate schedules (a phase is a
few dozen steps).

When memory runs out before the weights change, all processes halve the micro-batch and begin the update again. A
micro-batch is a part of a sum, so the update is the same up to rounding.

Shapes: S sequences, T completion tokens, padded on the right; G completions of a group.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, pstdev
from typing import TypeVar

import torch
from torch.nn.utils import clip_grad_norm_
from torch.nn.utils.rnn import pad_sequence

from visplay.config import RLSettings
from visplay.distributed.controller import SINGLE_PROCESS, Controller, on_all_ranks
from visplay.errors import NotFiniteError, OutOfMemory, TrainingError, one_line, reason
from visplay.interfaces.advantages import GroupRewards
from visplay.models.out_of_memory import free_memory, is_out_of_memory
from visplay.models.policy import Policy
from visplay.models.scores import TokenScores
from visplay.models.vlm import VLM
from visplay.rl.batching import MicroBatch, PackedTree, TrainingSample, micro_batches, pack_trees
from visplay.rl.kl import KLWeight
from visplay.rl.loss import grpo_loss, importance_weights, token_weights
from visplay.rl.optimizer import MasterOptimizer
from visplay.types import Group, ImageRef

Result = TypeVar("Result")
# Log-probabilities of completions before a step, by request id and index.
Logprobs = Mapping[tuple[str, int], Sequence[float]]
# Sums over a step: the loss over micro-batches, the others over the tokens that passed the model.
_SUMS = ("loss", "kl", "entropy", "engine_gap", "clipped", "tokens")


class Trainer:
    """Updates a policy's trainable weights with AdamW; raises TrainingError if it has none.

    Args:
        max_tokens: the length limit of sampling, needed by the averaging "constant" only.
        controller: the processes that train the policy together, each with its own trainer.
        temperature: of sampling; the trained policy is softmax(logits / temperature), which drew the completions.
        micro_batch: the size that the trainers of a process share; None: one of its own.
    """

    def __init__(
        self,
        policy: Policy,
        settings: RLSettings,
        max_tokens: int | None = None,
        controller: Controller = SINGLE_PROCESS,
        temperature: float = 1.0,
        micro_batch: MicroBatch | None = None,
    ) -> None:
        if not policy.trainable():
            raise TrainingError(f"the {policy.role} has no trainable weights")
        if settings.averaging == "constant" and max_tokens is None:
            raise TrainingError("averaging 'constant' needs max_tokens, the length limit of sampling")
        self.policy = policy
        self.settings = settings
        self.max_tokens = max_tokens
        self.temperature = temperature
        self.controller = controller
        self.micro_batch = micro_batch or MicroBatch(settings.micro_batch_tokens)
        controller.register(self)
        self.kl = KLWeight(settings.kl, settings.kl_target, settings.kl_rate)
        self._masters = MasterOptimizer(policy.trainable(), settings, controller)
        self.optimizer = self._masters.inner
        self.state_offloader = self._masters.offloader

    @on_all_ranks
    def step(self, groups: Sequence[Group], decay: float = 1.0) -> dict[str, float]:
        """Learn from one batch of rollouts, the same in every process; returns the metrics of docs/metrics.md.

        With `updates_per_step` above 1 the groups are cut into so many disjoint mini-batches, one optimizer step each,
        and the ratio is taken to the log-probabilities recorded when sampling. With 1 the policy is the one that
        sampled, so the ratio is exactly 1. With an `importance_cap` the ratio is taken to the trainer's own
        log-probabilities before the first update, and the difference to the engine's becomes a weight. Without a KL
        penalty or an entropy bonus, groups of zero advantage have no gradient and are not computed.

        Args:
            decay: what the learning rate is multiplied with in this step.

        Raises:
            TrainingError: there are no groups.
            NotFiniteError: the loss or the gradient of an update is not finite, and the weights are as before it; or
                the weights are not finite after it.
            OutOfMemory: a micro-batch of a single completion does not fit.
        """
        if not groups:
            raise TrainingError("a training step needs at least one group")
        sums = dict.fromkeys(_SUMS, 0.0)
        with self.policy.active() as vlm:
            vlm.train()
            advantages = self.advantages(groups)
            whole = list(zip(groups, advantages, strict=True))
            count = min(self.settings.updates_per_step, len(whole))
            parts = (whole[i * len(whole) // count : (i + 1) * len(whole) // count] for i in range(count))
            updates = [samples for part in parts if (samples := self._samples(part))]
            shares = [self._share(samples) for samples in updates]
            everything = [sample for share in shares for sample in share]
            before = self._within_memory(lambda: (self._before_updates(vlm, everything), 0.0))
            norms = [self._update(vlm, share, before, sums, decay) for share in shares]
            vlm.model.eval()
        totals = self.controller.all_reduce_sum(list(sums.values()))
        metrics = self._metrics(groups, advantages, norms, dict(zip(sums, totals, strict=True)))
        if "kl" in metrics:
            self.kl.adapt(metrics["kl"])
        return metrics

    def advantages(self, groups: Sequence[Group]) -> list[torch.Tensor]:
        """Advantages of each group's completions times the group's weight, float32 (G,)."""
        estimated = self.settings.advantages.estimate([GroupRewards(group.rewards, group.baseline) for group in groups])
        return [group.weight * torch.tensor(found) for group, found in zip(groups, estimated, strict=True)]

    def offload(self) -> None:
        """Move the optimizer's state to CPU memory; the next update moves it back."""
        self.state_offloader.offload()

    def reset_optimizer(self) -> None:
        """Forget the optimizer's moments; all processes must."""
        self._masters.reset()

    @on_all_ranks
    def save(self, folder: str | Path) -> None:
        """Write KL weight and optimizer, each process its own part; TrainingError if the disk is full, for example."""
        try:
            self._masters.save(Path(folder))
            if self.controller.is_main:
                self.kl.save(Path(folder))
        except (OSError, RuntimeError) as error:
            told = f"cannot write the optimizer's state to '{folder}': {reason(error)}"
            raise TrainingError(f"{told}; free space or mend the disk, then go on") from None

    @on_all_ranks
    def restore(self, folder: str | Path) -> None:
        """Read what `save` wrote, in any number of processes; TrainingError if it is missing or of other weights."""
        try:
            self._masters.restore(Path(folder))
            self.kl.restore(Path(folder))
        except FileNotFoundError as error:
            raise TrainingError(f"no optimizer state '{error.filename}'") from None
        except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
            raise TrainingError(f"optimizer state in '{folder}' does not fit: {one_line(error)}") from None

    def _samples(self, part: Sequence[tuple[Group, torch.Tensor]]) -> list[TrainingSample]:
        """The completions of one update that have a gradient; weights are those among all of its completions."""
        completions = [group.completions for group, _ in part]
        lengths_S = torch.tensor([len(c.token_ids) for of_group in completions for c in of_group])
        weights_S = token_weights(lengths_S, self.settings.averaging, self.max_tokens)
        found: list[TrainingSample] = []
        for (group, advantages_G), weights_G in zip(part, weights_S.split([*map(len, completions)]), strict=True):
            if self.settings.kl > 0 or self.settings.entropy > 0 or advantages_G.any():
                columns = zip(group.completions, advantages_G.tolist(), weights_G.tolist(), strict=True)
                found += [TrainingSample(group.request, *column) for column in columns]
        return found

    def _share(self, samples: Sequence[TrainingSample]) -> list[TrainingSample]:
        """This process's part: whole images; every process has about the same number of completion tokens."""
        tokens: Counter[ImageRef] = Counter()
        for sample in samples:
            tokens[sample.request.image] += len(sample.completion.token_ids)
        mine = self.controller.my_share(tokens)
        return [sample for sample in samples if sample.request.image in mine]

    def _before_updates(self, vlm: VLM, samples: Sequence[TrainingSample]) -> Logprobs:
        """The trainer's log-probabilities before the first of several updates; empty if they are not needed."""
        found: dict[tuple[str, int], Sequence[float]] = {}
        if self.settings.importance_cap and self.settings.updates_per_step > 1:
            for batch in self._micro_batches(vlm, samples):
                with torch.no_grad():
                    rows = self._score(vlm, batch).logprobs_ST.tolist()
                completions = [sample.completion for packed in batch for sample in packed.samples]
                for completion, row in zip(completions, rows, strict=True):
                    found[completion.request_id, completion.index] = row[: len(completion.token_ids)]
        return found

    def _update(
        self, vlm: VLM, samples: Sequence[TrainingSample], before: Logprobs, sums: dict[str, float], decay: float
    ) -> float:
        """One optimizer step, its gradient summed over micro-batches and processes; returns the gradient's norm."""

        def gradient() -> tuple[dict[str, float], float]:
            self._masters.zero_grad()
            found = dict.fromkeys(_SUMS, 0.0)
            for batch in self._micro_batches(vlm, samples):
                self._accumulate(vlm, batch, before, found)
            return found, found["loss"]

        for name, value in self._within_memory(gradient).items():
            sums[name] += value
        self.controller.all_reduce_gradients(self.policy.trainable())
        norm = clip_grad_norm_(self.policy.trainable(), self.settings.max_grad_norm)
        if not norm.isfinite():
            raise NotFiniteError(self.policy.role, "gradient")
        try:
            self._masters.step(decay)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            # Some weights have changed already, so the step cannot be repeated.
            raise OutOfMemory("the optimizer's step", one_line(error)) from None
        self.policy.version += 1
        if not torch.stack([parameter.isfinite().all() for parameter in self.policy.trainable()]).all():
            raise NotFiniteError(self.policy.role, "weights")
        return float(norm)

    def _within_memory(self, attempt: Callable[[], tuple[Result, float]]) -> Result:
        """The result of `attempt`, which is made again with a smaller micro-batch while memory runs out in any process.

        Args:
            attempt: computes micro-batches without changing weights; returns a result, and a loss that must be finite.
        """
        while True:
            self.micro_batch.under_way = (0, 0)
            found, reason, loss = None, "", 0.0
            try:
                found, loss = attempt()
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                reason = one_line(error)
            if reason:
                self._masters.zero_grad()
                free_memory()
            if not self._shrinks(reason, loss):
                assert found is not None
                return found

    def _shrinks(self, reason: str, loss: float) -> bool:
        """Whether the attempt must be made again, with the smaller micro-batch that this sets; equal on all ranks."""
        rank, size = self.controller.rank, self.controller.size
        halves = [0.0] * size
        halves[rank] = self.micro_batch.half() if reason else 0.0
        stuck = bool(reason) and not halves[rank]
        *halves, failed, not_finite = self.controller.all_reduce_sum([*halves, stuck, not math.isfinite(loss)])
        if not_finite:
            raise NotFiniteError(self.policy.role, "loss")
        if failed:
            raise OutOfMemory("the update", reason or "in another process")
        if any(halves):
            self.micro_batch.shrink(int(min(half for half in halves if half)))
        return any(halves)

    def _accumulate(self, vlm: VLM, batch: Sequence[PackedTree], before: Logprobs, sums: dict[str, float]) -> None:
        """Forward and backward over one micro-batch; adds its loss and what it was made of to `sums`."""
        if not math.isfinite(sums["loss"]):
            return  # the update will be refused
        reference_ST = self._reference_logprobs(batch)
        scores = self._score(vlm, batch, entropy_gradient=self.settings.entropy > 0)
        samples = [sample for packed in batch for sample in packed.samples]
        completions = [sample.completion for sample in samples]
        device = scores.logprobs_ST.device
        old_ST = scores.logprobs_ST.detach()
        if self.settings.updates_per_step > 1:
            old_ST = _padded(before.get((c.request_id, c.index), c.logprobs) for c in completions).to(device)
        importance_ST = None
        if self.settings.importance_cap:
            engine_ST = _padded(c.logprobs for c in completions).to(device)
            importance_ST = importance_weights(old_ST, engine_ST, scores.mask_ST, self.settings.importance_cap)
            sums["engine_gap"] += float((old_ST - engine_ST)[scores.mask_ST].abs().sum())
        parts = grpo_loss(
            scores.logprobs_ST,
            old_ST,
            reference_ST,
            torch.tensor([sample.advantage for sample in samples], device=device),
            torch.tensor([sample.weight for sample in samples], device=device),
            scores.mask_ST,
            scores.entropy_ST,
            importance_ST,
            policy_loss=self.settings.loss,
            kl=self.kl.value,
            entropy=self.settings.entropy,
        )
        parts.loss.backward()
        sums["loss"] += float(parts.loss.detach())
        sums["kl"] += parts.kl_sum
        sums["clipped"] += parts.clipped
        sums["entropy"] += float(scores.entropy_ST.detach().sum())
        sums["tokens"] += int(scores.mask_ST.sum())

    def _reference_logprobs(self, batch: Sequence[PackedTree]) -> torch.Tensor | None:
        if self.settings.kl == 0:
            return None
        with self.policy.reference() as vlm, torch.no_grad():
            return self._score(vlm, batch).logprobs_ST

    def _score(self, vlm: VLM, batch: Sequence[PackedTree], entropy_gradient: bool = False) -> TokenScores:
        trees, pixels, starts = zip(*((packed.tree, packed.pixels, packed.starts) for packed in batch), strict=True)
        return vlm.logprobs(trees, pixels, starts, entropy_gradient, self.temperature)

    def _micro_batches(self, vlm: VLM, samples: Sequence[TrainingSample]) -> Iterator[list[PackedTree]]:
        limit = self.micro_batch.tokens
        for batch in micro_batches(pack_trees(vlm, samples, limit, self.micro_batch.cuts_groups), limit):
            self.micro_batch.begin(batch)
            yield batch

    def _metrics(
        self, groups: Sequence[Group], advantages: Sequence[torch.Tensor], norms: list[float], totals: dict[str, float]
    ) -> dict[str, float]:
        tokens = max(1, totals["tokens"])
        rewards = [reward for group in groups for reward in group.rewards]
        metrics = {
            "loss": totals["loss"] / max(1, len(norms)),
            "entropy": totals["entropy"] / tokens,
            "clip_fraction": totals["clipped"] / tokens,
            "grad_norm": fmean(norms) if norms else 0.0,
            "completion_tokens": fmean(len(c.token_ids) for group in groups for c in group.completions),
            "reward": fmean(rewards),
            "reward_std": pstdev(rewards),
            "zero_advantage_groups": fmean(not advantages_G.any() for advantages_G in advantages),
        }
        if self.settings.kl > 0:
            metrics["kl"] = totals["kl"] / tokens
            if self.settings.kl_target is not None:
                metrics["kl_weight"] = self.kl.value
        if self.settings.importance_cap:
            metrics["engine_gap"] = totals["engine_gap"] / tokens
        return metrics


def _padded(rows: Iterable[Sequence[float]]) -> torch.Tensor:
    return pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
