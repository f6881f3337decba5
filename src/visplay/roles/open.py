"""Opens the roles of a run or of a model by name: "lab", a run directory, a model folder or a hub id.

torch and transformers are imported only when weights are loaded, so names and settings can be checked fast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from visplay.config import Settings, load_settings
from visplay.errors import ConfigError, RunError
from visplay.models.names import check_name, model_name
from visplay.roles.prompts import Prompts, load_prompts

if TYPE_CHECKING:
    from visplay.models.policy import Policy
    from visplay.models.vlm import VLM

Role = Literal["questioner", "reasoner"]

_WEIGHT_SETTINGS = ("model", "tune", "lora", "prompts")  # must be those of the run that trained the weights


def is_run(name: str) -> bool:
    """Whether `name` is a run directory."""
    return (Path(name) / "config.yaml").is_file()


def own_settings(
    name: str,
    preset: str | None = None,
    overrides: Sequence[str] = (),
    values: Mapping[str, Any] | None = None,
    *,
    trust_remote_code: bool = False,
) -> Settings:
    """Settings for inference: a run's config.yaml, or a preset for a model. `values`, then `overrides`, apply on top.

    Raises:
        ConfigError: a setting is wrong, cannot be changed for a run, or names another model.
    """
    if not is_run(name):
        own_model = {"model": name, **(values or {})}
        chosen = load_settings(
            preset or "default", overrides, own_model, trained=False, trust_remote_code=trust_remote_code
        )
        if chosen.model != name:
            raise ConfigError(f"the model is {name}; leave model out of --set, and pass another model's name instead")
        return chosen
    if preset is not None:
        raise ConfigError(f"{name} is a run and has its settings; leave --preset out, and change settings by --set")
    file = str(Path(name) / "config.yaml")
    own, chosen = load_settings(file), load_settings(file, overrides, values, trust_remote_code=trust_remote_code)
    changed = [key for key in _WEIGHT_SETTINGS if getattr(own, key) != getattr(chosen, key)]
    if changed:
        raise ConfigError(f"the weights of {name} need the run's {', '.join(changed)}; leave that out of --set")
    return chosen


def finished_roles(name: str, roles: Sequence[Role]) -> dict[Role, Path]:
    """Folders of the roles of a run; RunError if it has not written a role yet, or holds a pipe or the like."""
    from visplay.runs import check_run

    check_run(Path(name))
    for role in roles:
        if not (Path(name) / role).is_dir():
            title = role.capitalize()
            raise RunError(f"the run at {name} has no {title} yet; let it finish with `visplay evolve --resume`")
    return {role: Path(name) / role for role in roles}


def check_openable(name: str, trust_remote_code: bool = False) -> None:
    """Check a name, no weights: RunError if a run has no Reasoner yet, ModelError if a model takes no images."""
    if is_run(name):
        finished_roles(name, ("reasoner",))
    else:
        _check_model(name, trust_remote_code)


def _check_model(name: str, trust_remote_code: bool) -> None:
    check_name(model_name(name))
    from visplay.models.vlm import check_model

    check_model(model_name(name), trust_remote_code)


def check_runnable(settings: Settings) -> None:
    """Check, before weights are loaded, that this machine can run the settings: the model, engines and packages."""
    _check_model(settings.model, settings.trust_remote_code)
    from visplay.generation.factory import check_engines
    from visplay.runs.trackers import check_trackers

    check_engines(settings)
    check_trackers(settings)
    for setting, wanted in (("four_bit", settings.four_bit), ("adamw_8bit", settings.rl.optimizer == "adamw_8bit")):
        if wanted and find_spec("bitsandbytes") is None:
            raise ConfigError(f"{setting} needs bitsandbytes; pip install 'visplay[quant]'")


def open_roles(name: str, roles: Sequence[Role], settings: Settings) -> tuple[dict[Role, Policy], Prompts]:
    """The roles of a finished run, or a model as each of the roles, for inference; with their prompts.

    The roles share one model in memory, except after full fine-tuning.

    Raises:
        RunError: the run has not written a role yet.
        ModelError, ConfigError: the model or the prompts file is missing or unreadable.
    """
    folders = finished_roles(name, roles) if is_run(name) else {}
    from visplay.models.policy import Policy, role_of

    def frozen(model: str) -> Policy:
        vlm = _probed(model, settings)
        vlm.model.requires_grad_(False)
        return Policy(vlm)

    if not folders:
        return dict.fromkeys(roles, frozen(name)), open_prompts(name, settings)
    prompts = load_prompts(folders[roles[0]] / "prompts.yaml")
    if settings.tune == "full":
        return {role: frozen(str(folder)) for role, folder in folders.items()}, prompts
    base = _probed(settings.model, settings)
    policies = {role: role_of(base, role, settings) for role in roles}
    for role, policy in policies.items():
        policy.load(folders[role])
    return policies, prompts


def open_reasoner(name: str, trust_remote_code: bool = False) -> tuple[Policy, Prompts, Settings]:
    """A run's Reasoner, or a model as the Reasoner, with its prompts and settings; raises as `open_roles`."""
    settings = own_settings(name, trust_remote_code=trust_remote_code)
    policies, prompts = open_roles(name, ("reasoner",), settings)
    return policies["reasoner"], prompts, settings


def open_prompts(model: str, settings: Settings) -> Prompts:
    """The prompts of the settings, else those in the model's folder, else the defaults; ConfigError if invalid.

    The Questioner's prompt also asks for what its reward reads beside the question.
    """
    prompts, more = load_prompts(settings.prompts, Path(model_name(model))), settings.questioner.reward.asks_for
    if prompts.learned or more in prompts.questioner:
        return prompts
    return replace(prompts, questioner=prompts.questioner + more)


def load_base(name: str, settings: Settings) -> VLM:
    """The model `name` with the settings' dtype, device and limits; ModelError if it is missing or unreadable."""
    from visplay.models.vlm import VLM

    return VLM.load(
        model_name(name),
        settings.dtype,
        settings.device,
        min_pixels=settings.min_pixels,
        max_pixels=settings.max_pixels,
        trust_remote_code=settings.trust_remote_code,
        four_bit=settings.four_bit,
        chat_template=settings.chat_template,
    )


def _probed(name: str, settings: Settings) -> VLM:
    from visplay.models.probe import probe

    vlm = load_base(name, settings)
    probe(vlm)
    return vlm
