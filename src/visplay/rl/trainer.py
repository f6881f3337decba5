"""One GRPO step of a role on groups of completions, over token trees.

The groups of an image share a tree, so its pixels and prompts are computed once for all
their completions. Where a run has several processes, each takes its share of the images, and
gradients are added. Left out: learning-rate schedules (a phase is a few dozen steps).

Shapes: S sequences, T completion tokens, padded on the right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, pstdev
from typing import TypeVar

import torch
from torch.nn.utils import clip_grad_norm_
from torch.nn.utils.rnn import pad_sequence

from visplay.config import RLSettings
from visplay.distributed.controller import SINGLE_PROCESS, Controller, on_all_ranks
from visplay.errors import TrainingError
from visplay.interfaces.advantages import GroupRewards
from visplay.models.policy import Policy
from visplay.models.scores import TokenScores
from visplay.models.vlm import VLM
from visplay.rl.batching import PackedTree, WeightedGroup, micro_batches, pack_trees
from visplay.rl.loss import grpo_loss, importance_weights, token_weights
from visplay.rl.optimizer import MasterOptimizer
from visplay.types import Group, ImageRef

T = TypeVar("T")


@dataclass(slots=True)
class _Totals:
    """Sums over the tokens of a step that passed the model, and over its updates."""

    loss: float = 0.0
    kl: float = 0.0
    entropy: float = 0.0
    engine_gap: float = 0.0
    clipped: int = 0
    tokens: int = 0
    grad_norms: list[float] = field(default_factory=list)


class Trainer:
    """Updates a policy's trainable weights with AdamW.

    Args:
        max_tokens: the length limit of sampling, needed by the averaging "constant" alone.
        temperature: of sampling; the trained policy is softmax(logits / temperature), which drew the completions.
        controller: the processes that train it together, each with a trainer of its own.
    Attributes:
        optimizer: torch's or bitsandbytes', on float32 weights; see `rl/optimizer.py`.
        state_offloader: where its state is.
    Raises:
        TrainingError: the policy has nothing to train, or `max_tokens` is missing.
    """

    def __init__(
        self,
        policy: Policy,
        settings: RLSettings,
        max_tokens: int | None = None,
        controller: Controller = SINGLE_PROCESS,
        temperature: float = 1.0,
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
        controller.register(self)
        self._masters = MasterOptimizer(policy.trainable(), settings, controller)
        self.optimizer = self._masters.inner
        self.state_offloader = self._masters.offloader

    @on_all_ranks
    def step(self, groups: Sequence[Group]) -> dict[str, float]:
        """Learn from one batch of rollouts, the same one in every process.

        With `updates_per_step` above 1 the groups are cut into so many disjoint mini-batches, one
        optimizer step each, and the ratio is taken to the log-probabilities recorded when sampling.
        With 1 the policy is the one that sampled, so the ratio is exactly 1. With an `importance_cap`
        the ratio is taken to the trainer's own log-probabilities before the first update, and what
        the engine recorded otherwise becomes a weight. Without a KL penalty or an entropy bonus
        groups of zero advantage have no gradient and are not computed.

        Returns:
            loss, entropy (nats a token), kl (k3, nats a token; only with a KL penalty), clip_fraction,
            grad_norm (before clipping), completion_tokens (mean), reward, reward_std (over all
            completions), zero_advantage_groups (share), engine_gap (mean |difference| between the engine's
            log-probabilities and the trainer's, nats a token; only with an importance_cap).
        Raises:
            TrainingError: no groups, or a gradient that is not finite (the weights stay as they were).
        """
        if not groups:
            raise TrainingError("a training step needs at least one group")
        totals = _Totals()
        with self.policy.active() as vlm:
            vlm.model.train()
            advantages = self._advantages(groups)
            parts = _parts(list(zip(groups, advantages, strict=True)), self.settings.updates_per_step)
            updates = [self._weighted_groups(part) for part in parts]
            shares = [self._share(weighted_groups) for weighted_groups in updates]
            before = self._before_updates(vlm, [weighted_group for share in shares for weighted_group in share])
            for weighted_groups, share in zip(updates, shares, strict=True):
                if weighted_groups:
                    self._update(vlm, self._packed_trees(vlm, share, before), totals)
            vlm.model.eval()
        self._add_up(totals)
        return self._metrics(groups, advantages, totals)

    def offload(self) -> None:
        """Take the optimizer's state out of the device's memory; it comes back for the next update."""
        self.state_offloader.offload()

    @on_all_ranks
    def save(self, folder: str | Path) -> None:
        """Write the optimizer's state, each process its own part of it; the weights are the policy's to save.

        Raises:
            TrainingError: it cannot be written.
        """
        try:
            self._masters.save(Path(folder))
        except (OSError, RuntimeError) as error:
            raise TrainingError(f"cannot write the optimizer's state to '{folder}': {_one_line(error)}") from None

    @on_all_ranks
    def restore(self, folder: str | Path) -> None:
        """Read back what `save` wrote, in any number of processes.

        Raises:
            TrainingError: there is no such state, or it is of other weights.
        """
        try:
            self._masters.restore(Path(folder))
        except FileNotFoundError as error:
            raise TrainingError(f"no optimizer state '{error.filename}'") from None
        except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
            raise TrainingError(f"optimizer state in '{folder}' does not fit: {_one_line(error)}") from None

    def _advantages(self, groups: Sequence[Group]) -> list[torch.Tensor]:
        """Advantages of each group's completions times the group's weight, float32 (G,)."""
        estimated = self.settings.advantages.estimate([GroupRewards(group.rewards, group.baseline) for group in groups])
        return [group.weight * torch.tensor(found) for group, found in zip(groups, estimated, strict=True)]

    def _weighted_groups(self, part: Sequence[tuple[Group, torch.Tensor]]) -> list[WeightedGroup]:
        """What the groups of one update teach; the weights of tokens are those among all of them."""
        lengths_S = torch.tensor([len(c.token_ids) for group, _ in part for c in group.completions])
        weights = iter(token_weights(lengths_S, self.settings.averaging, self.max_tokens).tolist())
        found = []
        for group, advantages_G in part:
            group_weights = tuple(next(weights) for _ in group.completions)
            if self.settings.kl > 0 or self.settings.entropy > 0 or advantages_G.any():
                found.append(WeightedGroup(group, tuple(advantages_G.tolist()), group_weights))
        return found

    def _share(self, weighted_groups: Sequence[WeightedGroup]) -> list[WeightedGroup]:
        """This process's part: whole images, in every process about the same number of tokens to learn from."""
        tokens: Counter[ImageRef] = Counter()
        for weighted_group in weighted_groups:
            tokens[weighted_group.group.request.image] += sum(
                len(c.token_ids) for c in weighted_group.group.completions
            )
        mine = self.controller.my_share(tokens)
        return [weighted_group for weighted_group in weighted_groups if weighted_group.group.request.image in mine]

    def _before_updates(
        self, vlm: VLM, weighted_groups: Sequence[WeightedGroup]
    ) -> dict[tuple[str, int], tuple[float, ...]]:
        """The trainer's log-probabilities before the first of several updates, by key; empty where not needed."""
        if not self.settings.importance_cap or self.settings.updates_per_step == 1:
            return {}
        found: dict[tuple[str, int], tuple[float, ...]] = {}
        for batch in micro_batches(self._packed_trees(vlm, weighted_groups, {}), self.settings.micro_batch_tokens):
            with torch.no_grad():
                rows = self._score(vlm, batch).logprobs_ST.tolist()
            samples = (sample for packed_tree in batch for sample in packed_tree.samples)
            found |= {s.key: tuple(row[: len(s.logprobs)]) for s, row in zip(samples, rows, strict=True)}
        return found

    def _update(self, vlm: VLM, packed_trees: Sequence[PackedTree], totals: _Totals) -> None:
        """One optimizer step, its gradient summed over micro-batches and processes."""
        self._masters.zero_grad()
        for batch in micro_batches(packed_trees, self.settings.micro_batch_tokens):
            self._accumulate(vlm, batch, totals)
        self.controller.all_reduce_gradients(self.policy.trainable())
        norm = float(clip_grad_norm_(self.policy.trainable(), self.settings.max_grad_norm))
        if not torch.isfinite(torch.tensor(norm)):
            raise TrainingError(f"the gradient of the {self.policy.role} is not finite; lower rl.learning_rate")
        totals.grad_norms.append(norm)
        self._masters.step()
        self.policy.version += 1

    def _accumulate(self, vlm: VLM, batch: Sequence[PackedTree], totals: _Totals) -> None:
        """Forward and backward over one micro-batch."""
        reference_ST = self._reference_logprobs(batch)
        scores = self._score(vlm, batch, entropy_gradient=self.settings.entropy > 0)
        samples = [sample for packed_tree in batch for sample in packed_tree.samples]
        device = scores.logprobs_ST.device
        old_ST = scores.logprobs_ST.detach()
        if self.settings.updates_per_step > 1:
            old_ST = pad_sequence([torch.tensor(s.old) for s in samples], batch_first=True).to(device)
        importance_ST = None
        if self.settings.importance_cap:
            engine_ST = pad_sequence([torch.tensor(s.logprobs) for s in samples], batch_first=True).to(device)
            importance_ST = importance_weights(old_ST, engine_ST, scores.mask_ST, self.settings.importance_cap)
            totals.engine_gap += float((old_ST - engine_ST)[scores.mask_ST].abs().sum())
        parts = grpo_loss(
            scores.logprobs_ST,
            old_ST,
            reference_ST,
            torch.tensor([s.advantage for s in samples], device=device),
            torch.tensor([s.weight for s in samples], device=device),
            scores.mask_ST,
            scores.entropy_ST,
            importance_ST,
            policy_loss=self.settings.loss,
            kl=self.settings.kl,
            entropy=self.settings.entropy,
        )
        parts.loss.backward()
        totals.loss += float(parts.loss.detach())
        totals.kl += parts.kl_sum
        totals.clipped += parts.clipped
        totals.entropy += float(scores.entropy_ST.detach().sum())
        totals.tokens += int(scores.mask_ST.sum())

    def _reference_logprobs(self, batch: Sequence[PackedTree]) -> torch.Tensor | None:
        if self.settings.kl == 0:
            return None
        with self.policy.reference() as vlm, torch.no_grad():
            was_training = vlm.model.training
            vlm.model.eval()
            scores = self._score(vlm, batch)
            vlm.model.train(was_training)
        return scores.logprobs_ST

    def _score(self, vlm: VLM, batch: Sequence[PackedTree], entropy_gradient: bool = False) -> TokenScores:
        starts = [[sample.start for sample in packed_tree.samples] for packed_tree in batch]
        trees, pixels = [e.tree for e in batch], [e.pixels for e in batch]
        return vlm.logprobs(trees, pixels, starts, entropy_gradient, self.temperature)

    def _packed_trees(
        self, vlm: VLM, weighted_groups: Sequence[WeightedGroup], before: Mapping[tuple[str, int], tuple[float, ...]]
    ) -> list[PackedTree]:
        return pack_trees(vlm, weighted_groups, before, self.settings.micro_batch_tokens)

    def _add_up(self, totals: _Totals) -> None:
        """What was summed here, over all processes; a gradient's norm is the same in each."""
        sums = [totals.loss, totals.kl, totals.entropy, totals.engine_gap, totals.clipped, totals.tokens]
        totals.loss, totals.kl, totals.entropy, totals.engine_gap, clipped, tokens = self.controller.all_reduce_sum(
            sums
        )
        totals.clipped, totals.tokens = int(clipped), int(tokens)

    def _metrics(
        self, groups: Sequence[Group], advantages: Sequence[torch.Tensor], totals: _Totals
    ) -> dict[str, float]:
        tokens = max(1, totals.tokens)
        rewards = [reward for group in groups for reward in group.rewards]
        metrics = {
            "loss": totals.loss / max(1, len(totals.grad_norms)),
            "entropy": totals.entropy / tokens,
            "clip_fraction": totals.clipped / tokens,
            "grad_norm": fmean(totals.grad_norms) if totals.grad_norms else 0.0,
            "completion_tokens": fmean(len(c.token_ids) for group in groups for c in group.completions),
            "reward": fmean(rewards),
            "reward_std": pstdev(rewards),
            "zero_advantage_groups": fmean(not advantages_G.any() for advantages_G in advantages),
        }
        if self.settings.kl > 0:
            metrics["kl"] = totals.kl / tokens
        if self.settings.importance_cap:
            metrics["engine_gap"] = totals.engine_gap / tokens
        return metrics


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _parts(groups: Sequence[T], count: int) -> Iterator[Sequence[T]]:
    """`groups` in at most `count` consecutive parts of nearly equal size, none empty."""
    count = min(count, len(groups))
    for i in range(count):
        yield groups[i * len(groups) // count : (i + 1) * len(groups) // count]
