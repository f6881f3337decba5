"""The two roles of a run with their weights, engines and trainers, made from the settings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch

from visplay.config import GRPOSettings, Settings, load_settings
from visplay.distributed.controller import SINGLE_PROCESS, Controller, on_all_ranks
from visplay.errors import ConfigError, RunError
from visplay.generation.factory import check_engine, make_engines, make_voter
from visplay.labeling.labelers import make_labeler
from visplay.models.policy import Policy, role_of
from visplay.models.probe import Probe, probe
from visplay.models.vlm import VLM, check_model
from visplay.rl.trainer import Trainer
from visplay.roles.prompts import Prompts, load_prompts
from visplay.roles.questioner import Questioner
from visplay.roles.reasoner import Reasoner
from visplay.runs.state import read_json, write_json
from visplay.runs.trackers import check_trackers

Role = Literal["questioner", "reasoner"]

_OF_THE_WEIGHTS = ("model", "tune", "lora", "prompts")


class SelfPlayState:
    """One base model in two roles; each has weights of its own and the base as its reference.

    Attributes:
        labeler, rewarding_labeler: what gives silver answers, and what the Questioner's reward goes by.
        path: whether token trees are valid for the model, and how that was found.
    """

    def __init__(
        self, base: VLM, prompts: Prompts, settings: Settings, path: Probe, controller: Controller = SINGLE_PROCESS
    ) -> None:
        self.controller = controller
        controller.register(self)
        self.prompts = prompts
        self.path = path
        self._offloads = settings.tune == "full" and settings.idle == "cpu"
        self.questioner_policy = role_of(base, "questioner", settings)
        self.reasoner_policy = role_of(base, "reasoner", settings)
        for policy in (self.questioner_policy, self.reasoner_policy):
            controller.broadcast_tensors(policy.trainable(), [0] * len(policy.trainable()))  # adapters begin at random
        asking, answering = make_engines(base, (self.questioner_policy, self.reasoner_policy), settings, controller)
        self.questioner = Questioner(asking, prompts, settings.questioner, settings.seed)
        voter = make_voter(self.reasoner_policy, settings) if controller.is_main else None
        self._engines = [asking, answering, *([voter] if voter else [])]
        self.reasoner = Reasoner(answering, prompts, settings.reasoner, settings.seed, voter)
        self.labeler = make_labeler(settings.silver, self.reasoner)
        self.rewarding_labeler = make_labeler(settings.silver, self.reasoner, settings.questioner.labeler)
        self.questioner_trainer = Trainer(
            self.questioner_policy,
            _own(settings),
            settings.questioner.sampling.max_tokens or base.max_new_tokens,
            controller,
        )
        self.reasoner_trainer = Trainer(
            self.reasoner_policy,
            settings.grpo,
            settings.reasoner.sampling.max_tokens or base.max_new_tokens,
            controller,
        )

    @classmethod
    def load(cls, settings: Settings, controller: Controller = SINGLE_PROCESS) -> SelfPlayState:
        """Open the base model and set both roles up.

        Args:
            controller: the processes of the run; each of them loads.
        Raises:
            ModelError: no such model.
            ConfigError: the prompts file is not usable.
        """
        torch.manual_seed(settings.seed)
        prompts = _prompts(settings.model, settings)
        base = load_base(settings.model, settings)
        return cls(base, prompts, settings, probe(base), controller)

    @on_all_ranks
    def offload_unused(self) -> None:
        """Put away whatever stands on the device; what the phase uses comes back at its first use, and stays.

        So the Questioner's phase has the optimizer of the Questioner there alone, and both roles, for the Reasoner
        votes; the Reasoner's phase has nothing of the Questioner.
        """
        if self._offloads:
            for policy in (self.questioner_policy, self.reasoner_policy):
                policy.offload()
            for trainer in (self.questioner_trainer, self.reasoner_trainer):
                trainer.offload()

    def close(self) -> None:
        """Leave nothing behind on a server that voted, nor any memory with an engine; both roles stay."""
        for engine in self._engines:
            engine.close()

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


def is_run(name: str) -> bool:
    """Whether `name` is the directory of a run, and no model."""
    return (Path(name) / "config.yaml").is_file()


def open_roles(name: str, roles: Sequence[Role], settings: Settings) -> tuple[dict[Role, Policy], Prompts]:
    """Roles of a finished run, or any model in each of them, with their wording; nobody trains them.

    Roles share one model in memory wherever they can: all but those of a run that was tuned in full.

    Args:
        name: a run directory, "lab", a model folder or a hub id.
        settings: how it is loaded; a run's weights fit its own alone.
    Raises:
        RunError: the run has not come to such a role yet.
        ModelError, ConfigError: as `SelfPlayState.load`.
    """
    if not is_run(name):
        return dict.fromkeys(roles, _frozen(name, settings)), _prompts(name, settings)
    folders = finished_roles(name, roles)
    prompts = load_prompts(folders[roles[0]] / "prompts.yaml")
    if settings.tune == "full":
        return {role: _frozen(str(folder), settings) for role, folder in folders.items()}, prompts
    base = load_base(settings.model, settings)
    probe(base)
    policies = {role: role_of(base, role, settings) for role in roles}
    for role, policy in policies.items():
        policy.load(folders[role])
    return policies, prompts


def finished_roles(name: str, roles: Sequence[Role]) -> dict[Role, Path]:
    """Folders of roles of a run.

    Raises:
        RunError: the run has not come to such a role yet.
    """
    folders = {role: Path(name) / role for role in roles}
    for role, folder in folders.items():
        if not folder.is_dir():
            title = role.capitalize()
            raise RunError(f"the run at {name} has no {title} yet; let it finish with `visplay evolve --resume`")
    return folders


def own_settings(
    name: str, preset: str | None = None, overrides: Sequence[str] = (), values: Mapping[str, Any] | None = None
) -> Settings:
    """A run's own settings, or for a model, which nobody trains, a preset's; then `values`, then `overrides`.

    Args:
        preset: for a model alone; None for the defaults.
    Raises:
        ConfigError: a setting is wrong, or cannot be changed for a run, or is another model.
    """
    given = dict(values or {})
    if not is_run(name):
        chosen = load_settings(preset, overrides, {"model": name, **given}, trained=False)
        if chosen.model != name:
            raise ConfigError(f"the model is {name}; leave model out of --set, and name another in its place")
        return chosen
    if preset is not None:
        raise ConfigError(f"{name} is a run with settings of its own; leave --preset out, change single ones by --set")
    file = str(Path(name) / "config.yaml")
    own, chosen = load_settings(file), load_settings(file, overrides, given)
    changed = [key for key in _OF_THE_WEIGHTS if getattr(own, key) != getattr(chosen, key)]
    if changed:
        raise ConfigError(f"the weights of {name} fit its own {', '.join(changed)} alone; leave that out of --set")
    return chosen


def open_reasoner(name: str) -> tuple[Policy, Prompts, Settings]:
    """What is to be scored: a run's Reasoner, or any model, with its wording and settings.

    Raises:
        RunError, ModelError, ConfigError: as `open_roles`.
    """
    settings = own_settings(name)
    policies, prompts = open_roles(name, ("reasoner",), settings)
    return policies["reasoner"], prompts, settings


def _own(settings: Settings) -> GRPOSettings:
    """GRPO as the Questioner does it, where it differs from the Reasoner."""
    own = {"learning_rate": settings.questioner.learning_rate, "kl": settings.questioner.kl}
    return settings.grpo.model_copy(update={name: value for name, value in own.items() if value is not None})


def _frozen(name: str, settings: Settings) -> Policy:
    vlm = load_base(name, settings)
    probe(vlm)
    vlm.model.requires_grad_(False)
    return Policy(vlm)


def _prompts(model: str, settings: Settings) -> Prompts:
    folder = Path(model_name(model))
    return load_prompts(settings.prompts, folder if folder.is_dir() else None)


def load_base(name: str, settings: Settings) -> VLM:
    """The model `name`, loaded in the way the settings say.

    Raises:
        ModelError: no such model.
    """
    return VLM.load(
        model_name(name),
        settings.dtype,
        settings.device,
        min_pixels=settings.min_pixels,
        max_pixels=settings.max_pixels,
        trust_remote_code=settings.trust_remote_code,
        four_bit=settings.four_bit,
    )


def check_runnable(settings: Settings) -> None:
    """Refuse what can be refused before anything is loaded.

    Raises:
        ModelError: no such model, or none for images and text.
        ConfigError: a package that the settings need is missing.
    """
    check_engine(settings)
    check_trackers(settings)
    check_model(model_name(settings.model), settings.trust_remote_code)
    for setting, wanted in (("four_bit", settings.four_bit), ("adamw_8bit", settings.grpo.optimizer == "adamw_8bit")):
        if wanted and find_spec("bitsandbytes") is None:
            raise ConfigError(f"{setting} needs bitsandbytes; pip install 'visplay[quant]'")


def model_name(name: str) -> str:
    """The folder of the embedded model for "lab", any other name as it is."""
    return str(resources.files("visplay") / "lab" / "model") if name == "lab" else name
