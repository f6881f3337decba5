"""The roles of a run or of a model, opened by name: "lab", a run directory, a model folder or a hub id.

Whatever only needs the name or the settings imports no torch; libraries are imported when weights are loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

# Settings that a run's weights were made for.
_OF_THE_WEIGHTS = ("model", "tune", "lora", "prompts")


def is_run(name: str) -> bool:
    """Whether `name` is a run directory, and not a model."""
    return (Path(name) / "config.yaml").is_file()


def own_settings(
    name: str, preset: str | None = None, overrides: Sequence[str] = (), values: Mapping[str, Any] | None = None
) -> Settings:
    """Settings for inference: a run's config.yaml, or a preset for a model; then `values`, then `overrides`.

    Args:
        preset: for a model only; None for the preset "default".
    Raises:
        ConfigError: a setting is wrong, cannot be changed for a run, or names another model.
    """
    given = dict(values or {})
    if not is_run(name):
        chosen = load_settings(preset or "default", overrides, {"model": name, **given}, trained=False)
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


def finished_roles(name: str, roles: Sequence[Role]) -> dict[Role, Path]:
    """Folders of roles of a finished run.

    Raises:
        RunError: the run has not written such a role yet.
    """
    folders = {role: Path(name) / role for role in roles}
    for role, folder in folders.items():
        if not folder.is_dir():
            title = role.capitalize()
            raise RunError(f"the run at {name} has no {title} yet; let it finish with `visplay evolve --resume`")
    return folders


def check_openable(name: str, trust_remote_code: bool = False) -> None:
    """Refuse a run without a Reasoner, or a name that is no model for images and text; no weights are read.

    Raises:
        RunError: the run has no Reasoner yet.
        ModelError: no such model, or it takes no images with its text.
    """
    if is_run(name):
        finished_roles(name, ("reasoner",))
        return
    check_name(model_name(name))
    from visplay.models.vlm import check_model

    check_model(model_name(name), trust_remote_code)


def check_runnable(settings: Settings) -> None:
    """Refuse, before anything is loaded, what settings ask for and this machine cannot do.

    Raises:
        ModelError: no such model, or it takes no images with its text.
        ConfigError: a package that the settings need is missing.
    """
    check_name(model_name(settings.model))
    from visplay.generation.factory import check_engines
    from visplay.models.vlm import check_model
    from visplay.runs.trackers import check_trackers

    check_engines(settings)
    check_trackers(settings)
    check_model(model_name(settings.model), settings.trust_remote_code)
    for setting, wanted in (("four_bit", settings.four_bit), ("adamw_8bit", settings.rl.optimizer == "adamw_8bit")):
        if wanted and find_spec("bitsandbytes") is None:
            raise ConfigError(f"{setting} needs bitsandbytes; pip install 'visplay[quant]'")


def open_roles(name: str, roles: Sequence[Role], settings: Settings) -> tuple[dict[Role, Policy], Prompts]:
    """Roles of a finished run, or a model in each of them, for inference, with their prompts.

    Roles share one model in memory, except those of a run that trained all weights.

    Args:
        name: a run directory, "lab", a model folder or a hub id.
        settings: how it is loaded; see `own_settings`.
    Raises:
        RunError: the run has not written such a role yet.
        ModelError: the model is missing or unreadable.
        ConfigError: the prompts file is not usable.
    """
    if not is_run(name):
        return dict.fromkeys(roles, _frozen(name, settings)), open_prompts(name, settings)
    folders = finished_roles(name, roles)
    prompts = load_prompts(folders[roles[0]] / "prompts.yaml")
    if settings.tune == "full":
        return {role: _frozen(str(folder), settings) for role, folder in folders.items()}, prompts
    from visplay.models.policy import role_of
    from visplay.models.probe import probe

    base = load_base(settings.model, settings)
    probe(base)
    policies = {role: role_of(base, role, settings) for role in roles}
    for role, policy in policies.items():
        policy.load(folders[role])
    return policies, prompts


def open_reasoner(name: str) -> tuple[Policy, Prompts, Settings]:
    """A run's Reasoner, or any model as one, with its prompts and its own settings.

    Raises:
        RunError, ModelError, ConfigError: as `open_roles`.
    """
    settings = own_settings(name)
    policies, prompts = open_roles(name, ("reasoner",), settings)
    return policies["reasoner"], prompts, settings


def open_prompts(model: str, settings: Settings) -> Prompts:
    """The prompts that settings name, else those that come with the model, else the defaults.

    Raises:
        ConfigError: the prompts file is not usable.
    """
    folder = Path(model_name(model))
    return load_prompts(settings.prompts, folder if folder.is_dir() else None)


def load_base(name: str, settings: Settings) -> VLM:
    """The model `name`, loaded as the settings say.

    Raises:
        ModelError: no such model.
    """
    from visplay.models.vlm import VLM

    return VLM.load(
        model_name(name),
        settings.dtype,
        settings.device,
        min_pixels=settings.min_pixels,
        max_pixels=settings.max_pixels,
        trust_remote_code=settings.trust_remote_code,
        four_bit=settings.four_bit,
    )


def _frozen(name: str, settings: Settings) -> Policy:
    from visplay.models.policy import Policy
    from visplay.models.probe import probe

    vlm = load_base(name, settings)
    probe(vlm)
    vlm.model.requires_grad_(False)
    return Policy(vlm)
