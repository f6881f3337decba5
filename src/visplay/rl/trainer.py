"""One step of policy optimisation of a role, over token trees.

The groups of an image share a tree, so its pixels and prompts are computed once for all their completions. With several
processes, each takes its share of the images, and gradients are added. Left out: learning-rate schedules (a phase is a
few dozen steps).

Shapes: S sequences, T completion tokens, padded on the right; G completions of a group.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, pstdev

import torch
from torch.nn.utils import clip_grad_norm_
from torch.nn.utils.rnn import pad_sequence

from visplay.config import RLSettings
from visplay.distributed.controller import SINGLE_PROCESS, Controller, on_all_ranks
from visplay.errors import TrainingError, one_line, reason
from visplay.interfaces.advantages import GroupRewards
from visplay.models.policy import Policy
from visplay.models.scores import TokenScores
from visplay.models.vlm import VLM
from visplay.rl.batching import PackedTree, TrainingSample, micro_batches, pack_trees
from visplay.rl.loss import grpo_loss, importance_weights, token_weights
from visplay.rl.optimizer import MasterOptimizer
from visplay.types import Group, ImageRef

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
        """Learn from one batch of rollouts, the same in every process; returns the metrics of docs/metrics.md.

        With `updates_per_step` above 1 the groups are cut into so many disjoint mini-batches, one optimizer step each,
        and the ratio is taken to the log-probabilities recorded when sampling. With 1 the policy is the one that
        sampled, so the ratio is exactly 1. With an `importance_cap` the ratio is taken to the trainer's own
        log-probabilities before the first update, and the difference to the engine's becomes a weight. Without a KL
        penalty or an entropy bonus, groups of zero advantage have no gradient and are not computed.

        Raises TrainingError for no groups, or a gradient that is not finite (the weights stay as they were).
        """
        if not groups:
            raise TrainingError("a training step needs at least one group")
        sums = dict.fromkeys(_SUMS, 0.0)
        with self.policy.active() as vlm:
            vlm.model.train()
            advantages = self.advantages(groups)
            whole = list(zip(groups, advantages, strict=True))
            count = min(self.settings.updates_per_step, len(whole))
            parts = (whole[i * len(whole) // count : (i + 1) * len(whole) // count] for i in range(count))
            updates = [samples for part in parts if (samples := self._samples(part))]
            shares = [self._share(samples) for samples in updates]
            before = self._before_updates(vlm, [sample for share in shares for sample in share])
            norms = [self._update(vlm, share, before, sums) for share in shares]
            vlm.model.eval()
        totals = self.controller.all_reduce_sum(list(sums.values()))
        return self._metrics(groups, advantages, norms, dict(zip(sums, totals, strict=True)))

    def advantages(self, groups: Sequence[Group]) -> list[torch.Tensor]:
        """Advantages of each group's completions times the group's weight, float32 (G,)."""
        estimated = self.settings.advantages.estimate([GroupRewards(group.rewards, group.baseline) for group in groups])
        return [group.weight * torch.tensor(found) for group, found in zip(groups, estimated, strict=True)]

    def offload(self) -> None:
        """Move the optimizer's state to CPU memory; the next update moves it back."""
        self.state_offloader.offload()

    @on_all_ranks
    def save(self, folder: str | Path) -> None:
        """Write the optimizer's state, each process its own part; TrainingError if the disk is full, for example."""
        try:
            self._masters.save(Path(folder))
        except (OSError, RuntimeError) as error:
            told = f"cannot write the optimizer's state to '{folder}': {reason(error)}"
            raise TrainingError(f"{told}; free space or mend the disk, then go on") from None

    @on_all_ranks
    def restore(self, folder: str | Path) -> None:
        """Read what `save` wrote, in any number of processes; TrainingError if it is missing or of other weights."""
        try:
            self._masters.restore(Path(folder))
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

    def _update(self, vlm: VLM, samples: Sequence[TrainingSample], before: Logprobs, sums: dict[str, float]) -> float:
        """One optimizer step, its gradient summed over micro-batches and processes; returns the gradient's norm."""
        self._masters.zero_grad()
        for batch in self._micro_batches(vlm, samples):
            self._accumulate(vlm, batch, before, sums)
        self.controller.all_reduce_gradients(self.policy.trainable())
        norm = clip_grad_norm_(self.policy.trainable(), self.settings.max_grad_norm)
        if not norm.isfinite():
            raise TrainingError(f"the gradient of the {self.policy.role} is not finite; lower rl.learning_rate")
        self._masters.step()
        self.policy.version += 1
        return float(norm)

    def _accumulate(self, vlm: VLM, batch: Sequence[PackedTree], before: Logprobs, sums: dict[str, float]) -> None:
        """Forward and backward over one micro-batch; adds its loss and what it was made of to `sums`."""
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
            kl=self.settings.kl,
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
            was_training = vlm.model.training
            vlm.model.eval()
            scores = self._score(vlm, batch)
            vlm.model.train(was_training)
        return scores.logprobs_ST

    def _score(self, vlm: VLM, batch: Sequence[PackedTree], entropy_gradient: bool = False) -> TokenScores:
        trees, pixels, starts = zip(*((packed.tree, packed.pixels, packed.starts) for packed in batch), strict=True)
        return vlm.logprobs(trees, pixels, starts, entropy_gradient, self.temperature)

    def _micro_batches(self, vlm: VLM, samples: Sequence[TrainingSample]) -> Iterator[list[PackedTree]]:
        limit = self.settings.micro_batch_tokens
        return micro_batches(pack_trees(vlm, samples, limit), limit)

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
        if self.settings.importance_cap:
            metrics["engine_gap"] = totals["engine_gap"] / tokens
        return metrics


def _padded(rows: Iterable[Sequence[float]]) -> torch.Tensor:
    return pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
