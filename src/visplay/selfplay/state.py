"""The two roles of a run with their weights, engines and trainers, made from the settings."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from visplay.config import RLSettings, Settings
from visplay.distributed.controller import SINGLE_PROCESS, Controller, on_all_ranks
from visplay.generation.batching import SharedLimits
from visplay.generation.factory import make_engines, make_vote_engine
from visplay.interfaces.engine import Sampling
from visplay.models.policy import Policy, role_of
from visplay.models.probe import probe
from visplay.rl.batching import MicroBatch
from visplay.rl.trainer import Trainer
from visplay.roles.form import FormCheck
from visplay.roles.open import load_base, open_prompts
from visplay.roles.questioner import Questioner
from visplay.roles.reasoner import Reasoner
from visplay.runs.files import read_json, write_json


class SelfPlayState:
    """One base model in two roles; each has weights of its own.

    Attributes:
        labeler, rewarding_labeler: the labeler of silver answers, and the labeler for the Questioner's reward.
        path: whether token trees are valid for the model, and the evidence.
    Raises:
        ModelError, ConfigError: no such model, or the prompts file is not usable.
    """

    def __init__(self, settings: Settings, controller: Controller = SINGLE_PROCESS) -> None:
        torch.manual_seed(settings.seed)
        self.prompts = prompts = open_prompts(settings.model, settings)
        base = load_base(settings.model, settings)
        self.path = probe(base)
        self.controller = controller
        controller.register(self)
        self._offloads = settings.tune == "full" and settings.idle == "cpu"
        self.questioner_policy = role_of(base, "questioner", settings)
        self.reasoner_policy = role_of(base, "reasoner", settings)
        for policy in (self.questioner_policy, self.reasoner_policy):
            controller.broadcast_tensors(policy.trainable(), [0] * len(policy.trainable()))  # adapters begin at random
        asking, answering = make_engines(base, (self.questioner_policy, self.reasoner_policy), settings, controller)
        self.questioner = Questioner(asking, prompts, settings.questioner, settings.seed)
        voter = make_vote_engine(self.reasoner_policy, settings) if controller.is_main else None
        self._engines = [asking, answering, *([voter] if voter else [])]
        self.reasoner = Reasoner(answering, prompts, settings.reasoner, settings.seed, voter)
        self.use_labelers(settings)
        self._micro_batch = MicroBatch(settings.rl.micro_batch_tokens)

        def trainer(policy: Policy, rl: RLSettings, sampling: Sampling) -> Trainer:
            max_tokens = sampling.max_tokens or base.max_new_tokens
            return Trainer(policy, rl, max_tokens, controller, sampling.temperature, self._micro_batch)

        asking_rl = _own(settings.rl, learning_rate=settings.questioner.learning_rate, kl=settings.questioner.kl)
        answering_rl = _own(settings.rl, advantages=settings.reasoner.advantages)
        self.questioner_trainer = trainer(self.questioner_policy, asking_rl, settings.questioner.sampling)
        self.reasoner_trainer = trainer(self.reasoner_policy, answering_rl, settings.reasoner.sampling)
        self._rl = settings.rl
        self._roles = {
            "questioner": (self.questioner_policy, self.questioner_trainer),
            "reasoner": (self.reasoner_policy, self.reasoner_trainer),
        }

    def use_labelers(self, settings: Settings) -> None:
        """Label by the settings from now on."""
        self.labeler = settings.silver.labeler
        self.rewarding_labeler = settings.questioner.labeler or settings.silver.labeler

    def check_forms(self, warn: Callable[[str], None]) -> None:
        """Have `warn` show an output of a role if few of its first ones have the form that is read."""
        for name, role, form, untrained in (
            ("questioner", self.questioner, "<type>…</type><question>…</question>", "synthesis_sampling"),
            ("reasoner", self.reasoner, "\\boxed{…}", "vote_sampling"),
        ):
            apart = getattr(role.settings, untrained) is not None
            budgets = [f"{name}.{one}.max_tokens" for one in ("sampling", *([untrained] if apart else []))]
            role.form_check = FormCheck(name.capitalize(), form, " and ".join(budgets), warn)

    @on_all_ranks
    def begin_phase(self, role: str) -> None:
        """Give a role, whose phase begins, the optimizer and the reference that the settings want."""
        if self._rl.fresh_optimizer:
            self._roles[role][1].reset_optimizer()
        if self._rl.reference == "phase":
            self._release_references()
            self._roles[role][0].hold_reference()

    @on_all_ranks
    def resume_phase(self, role: str, start: Path | None) -> None:
        """Give a role the reference of a phase that goes on: what `save` wrote when it began; None: the base."""
        self._release_references()
        if start is not None:
            self._roles[role][0].hold_reference(start / role)

    def _release_references(self) -> None:
        for policy, _ in self._roles.values():
            policy.release_reference()

    @on_all_ranks
    def offload_unused(self) -> None:
        """Offload everything from the device; a phase moves back what it uses, at its first use."""
        if self._offloads:
            for policy in (self.questioner_policy, self.reasoner_policy):
                policy.offload()
            for trainer in (self.questioner_trainer, self.reasoner_trainer):
                trainer.offload()

    def close(self) -> None:
        """Leave nothing behind on a server that voted, nor any memory with an engine; both roles stay."""
        for engine in self._engines:
            engine.close()

    def reduced(self) -> dict[str, int]:
        """The settings that memory has reduced since the state was made, by dotted key."""
        found = {"rl.micro_batch_tokens": max(64, self._micro_batch.tokens)} if self._micro_batch.is_reduced else {}
        for name, engine in (("engine", self.questioner.engine), ("vote_engine", self.reasoner.vote_engine)):
            shared = getattr(engine, "shared", None)
            if isinstance(shared, SharedLimits) and shared.is_reduced:
                found |= {f"{name}.batch": shared.limits.answers, f"{name}.tokens": shared.limits.tokens}
        return found

    @property
    def version(self) -> tuple[int, int, str]:
        """Changes whenever `save` would write something else: the weights of a role, or the question history."""
        history = json.dumps(self.questioner.history.state())
        return self.questioner_policy.version, self.reasoner_policy.version, history

    def save(self, folder: Path) -> None:
        """Write all that a rejected iteration takes back: both roles, both optimizers and the question history."""
        self.questioner_policy.save(folder / "questioner")
        self.reasoner_policy.save(folder / "reasoner")
        self.questioner_trainer.save(folder / "questioner-trainer")
        self.reasoner_trainer.save(folder / "reasoner-trainer")
        write_json(folder / "history.json", self.questioner.history.state())

    def restore(self, folder: Path) -> None:
        """Go back to what `save` wrote."""
        self.restore_roles(folder)
        self.questioner_trainer.restore(folder / "questioner-trainer")
        self.reasoner_trainer.restore(folder / "reasoner-trainer")
        self.questioner.history.restore(read_json(folder / "history.json"))

    @on_all_ranks
    def restore_roles(self, folder: Path) -> None:
        """Go back to the roles that `save` wrote, and leave optimizers and history as they are."""
        self.questioner_policy.load(folder / "questioner")
        self.reasoner_policy.load(folder / "reasoner")


def _own(rl: RLSettings, **own: Any) -> RLSettings:
    """The update of a role: `rl` with those of its own settings that are not None."""
    return rl.model_copy(update={name: value for name, value in own.items() if value is not None})
