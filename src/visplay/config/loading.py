"""Reading settings: a preset or a YAML file, then values, then `key=value` overrides, checked as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from visplay.config.moved import moved_keys
from visplay.config.settings import Settings
from visplay.errors import ConfigError
from visplay.interfaces.component import Component, problems

_PRESETS = resources.files("visplay.config") / "presets"


def preset_names() -> list[str]:
    """Names of the shipped presets."""
    return sorted(file.name.removesuffix(".yaml") for file in _PRESETS.iterdir() if file.name.endswith(".yaml"))


def load_settings(
    preset: str = "default",
    overrides: Iterable[str] = (),
    values: Mapping[str, Any] | None = None,
    *,
    trained: bool = True,
) -> Settings:
    """The settings of a preset, then `values`, then `overrides`.

    Endpoints belong to the suites of the preset: an override of `evaluation.suites` removes them, unless another
    override names new ones.

    Args:
        preset: a shipped name or a YAML file.
        overrides: texts such as `rl.learning_rate=3e-5` or `silver.gates.band.low=0.5`; the value is read as YAML.
        values: top-level settings, such as those of command-line flags.
        trained: False if nobody trains the model, as for `visplay eval`.
    Raises:
        ConfigError: an unknown preset or key, or a value out of its bounds.
    """
    merged = _read_preset(preset) | dict(values or {})
    changes = dict(read_override(text) for text in overrides)
    if "evaluation.suites" in changes:
        changes = {"evaluation.endpoints": {}} | changes
    for key, value in changes.items():
        change_setting(merged, key, value)
    return check_settings(merged, f"preset {preset}", trained=trained)


def check_settings(values: Mapping[str, Any], where: str, *, trained: bool = True) -> Settings:
    """The settings that a nested mapping holds.

    Raises:
        ConfigError: every problem, in one line that begins with `where`.
    """
    moved = moved_keys(values)
    if moved:
        raise ConfigError(f"{where}: {'; '.join(moved)}")
    try:
        return Settings.model_validate(values, context={"trained": trained})
    except ValidationError as error:
        raise ConfigError(f"{where}: {problems(error)}") from None


def dump_settings(settings: Settings) -> str:
    """YAML that `visplay evolve --preset FILE` reads back to the same settings."""
    text: str = yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    return text


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
            here = next((each for each in here if isinstance(each, dict) and each.get("type") == section), None)
            if here is None:
                raise ConfigError(f"'{key}': there is no '{section}' in the list")
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
        raise ConfigError(f"'{text}' is not key=value, for example rl.learning_rate=3e-5")
    try:
        value = yaml.safe_load(raw)
    except yaml.YAMLError:
        raise ConfigError(f"'{text}': the value is not valid YAML") from None
    # YAML 1.1 reads 3e-5 as a string; numbers are meant as numbers.
    if isinstance(value, str):
        with suppress(ValueError):
            value = float(value)
    return key.strip(), value


def _read_preset(preset: str) -> dict[str, Any]:
    file = _PRESETS / f"{preset}.yaml"
    if preset.endswith((".yaml", ".yml")):
        file = Path(preset)
        if not file.is_file():
            raise ConfigError(f"no preset file {preset}")
    elif preset not in preset_names():
        raise ConfigError(f"no preset '{preset}'; choose one of {', '.join(preset_names())} or a .yaml file")
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"cannot read {preset} as UTF-8 text") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{preset} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{preset} must hold a mapping of settings")
    return values
