"""Reading settings: a preset or a YAML file, then values, then `key=value` overrides, checked as a whole.

A preset and a run's config.yaml are data. They run no code: a component of the user's own is taken from a module that
the process has imported or that an override names, and `trust_remote_code` is an argument of the call alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from visplay.config.moved import moved_keys
from visplay.config.settings import Settings
from visplay.config.yaml_file import dump_yaml, read_yaml, read_yaml_file
from visplay.errors import ConfigError, did_you_mean
from visplay.interfaces.component import Component, problems

_PRESETS = Path(str(resources.files("visplay.config"))) / "presets"  # for the lab's model, and the published ones
_RECIPES = _PRESETS.with_name("recipes")  # for real models and a size of memory


def preset_names() -> list[str]:
    """Names of the shipped presets for the lab's model, and of the published ones."""
    return sorted(file.stem for file in _PRESETS.glob("*.yaml"))


def recipe_names() -> list[str]:
    """Names of the shipped presets for real models and a size of memory."""
    return sorted(file.stem for file in _RECIPES.glob("*.yaml"))


def load_settings(
    preset: str = "default",
    overrides: Iterable[str] = (),
    values: Mapping[str, Any] | None = None,
    *,
    trained: bool = True,
    trust_remote_code: bool = False,
) -> Settings:
    """The settings of a preset, then `values`, then `overrides`.

    Endpoints belong to the suites of the preset: an override of `evaluation.suites` removes them, unless another
    override names new ones.

    Args:
        preset: a shipped name or a YAML file.
        overrides: texts such as `rl.learning_rate=3e-5` or `silver.gates.band.low=0.5`; the value is read as YAML.
        values: top-level settings, such as those of command-line flags.
        trained: False if nobody trains the model, as for `visplay eval`.
        trust_remote_code: run code that comes with the model; no preset can say so.
    Raises:
        ConfigError: an unknown preset or key, a value out of its bounds, or a preset that names code.
    """
    merged = _read_preset(preset) | dict(values or {})
    changes = dict(read_override(text) for text in overrides)
    if "evaluation.suites" in changes:
        changes = {"evaluation.endpoints": {}} | changes
    for key, value in changes.items():
        change_setting(merged, key, value)
    return check_settings(
        merged,
        f"preset {preset}",
        trained=trained,
        trust_remote_code=trust_remote_code,
        own_suites=preset not in preset_names() or "evaluation.suites" in changes,
    )


def check_settings(
    values: Mapping[str, Any],
    where: str,
    *,
    trained: bool = True,
    trust_remote_code: bool = False,
    own_suites: bool = True,
) -> Settings:
    """The settings that a nested mapping holds. It may import what `import_path` names, so files are checked before.

    Args:
        trained, trust_remote_code: see `load_settings`.
        own_suites: whether the user named the suites. Those of a shipped preset are for the lab's model or images.
    Raises:
        ConfigError: every problem, in one line that begins with `where`.
    """
    moved = moved_keys(values)
    if moved:
        raise ConfigError(f"{where}: {'; '.join(moved)}")
    if values.get("trust_remote_code", False) is not False and not trust_remote_code:
        raise ConfigError(f"{where}: trust_remote_code is no setting; pass --trust-remote-code to the command instead")
    try:
        return Settings.model_validate(
            {**values, "trust_remote_code": trust_remote_code}, context={"trained": trained, "own_suites": own_suites}
        )
    except ValidationError as error:
        raise ConfigError(f"{where}: {problems(error, Settings)}") from None


def dump_settings(settings: Settings) -> str:
    """YAML that `visplay evolve --preset FILE` reads back to the same settings."""
    return dump_yaml(settings.model_dump(mode="json"))


def change_setting(values: dict[str, Any], key: str, value: Any) -> None:
    """Change one of nested settings; a component in a list is named by its type, as in `silver.gates.band.low`.

    What `values` leaves out is taken from the defaults, so that `engine.batch` changes the default engine. What it
    holds is copied first, as several recipes may share it. A key that leads through a value is a `ConfigError`.
    """
    *sections, name = key.split(".")
    here: Any = values
    fields: Mapping[str, FieldInfo] = Settings.model_fields
    for section in sections:
        if isinstance(here, list):
            named = {str(each.get("type")): each for each in here if isinstance(each, dict)}
            if section not in named:
                raise ConfigError(f"'{key}': there is no '{section}' in the list{did_you_mean(section, named)}")
            here = named[section]
            continue
        field = fields.get(section)
        inside = _spelled_out(here.get(section), field)
        if not isinstance(inside, (dict, list)):
            raise ConfigError(f"'{key}': '{section}' is a value, not a section")
        here[section] = inside
        here = inside
        fields = getattr(field.annotation, "model_fields", {}) if field else {}
    if not isinstance(here, dict):
        raise ConfigError(
            f"'{key}': '{sections[-1]}' is a list; name a component in it, as in silver.gates.band.low=0.5"
        )
    here[name] = value


def _spelled_out(value: Any, field: FieldInfo | None) -> Any:
    """A copy of a setting's value, or of its default, where a component that is its name is a mapping."""
    if value is None:
        value = field.default if field and isinstance(field.default, (str, tuple)) else {}
    if isinstance(value, (list, tuple)):
        return [_spelled_out(each, field) for each in value]
    if isinstance(value, str) and field:
        kinds = (field.annotation, *get_args(field.annotation))
        seams = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Component)]
        meant = seams[0].from_text(value) if seams else value
        return meant.as_settings() if isinstance(meant, Component) else meant
    return dict(value) if isinstance(value, dict) else value


def read_override(text: str) -> tuple[str, Any]:
    """The key and the value of `key=value`."""
    key, separator, raw = text.partition("=")
    if not separator or not key.strip():
        raise ConfigError(f"'{text[:200]}' is not key=value, for example rl.learning_rate=3e-5")
    return key.strip(), read_yaml(raw, f"the value of '{key.strip()[:200]}'")


def _read_preset(preset: str) -> dict[str, Any]:
    file = next((path for path in (_PRESETS / f"{preset}.yaml", _RECIPES / f"{preset}.yaml") if path.is_file()), None)
    if preset.endswith((".yaml", ".yml")):
        file = Path(preset)
        if not file.exists():
            raise ConfigError(f"no preset file {preset}")
    elif file is None or file.stem != preset:
        names = [*preset_names(), *recipe_names()]
        raise ConfigError(
            f"no preset '{preset}'{did_you_mean(preset, names)}; choose one of {', '.join(names)} or a .yaml file"
        )
    values = read_yaml_file(file) or {}
    if not isinstance(values, dict):
        raise ConfigError(f"{preset} must hold a mapping of settings")
    return values
