"""Reading settings: a preset or a YAML file, then values, then `key=value` overrides, checked as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from visplay.config.moved import moved_keys
from visplay.config.settings import Settings
from visplay.errors import ConfigError
from visplay.interfaces.component import Component, Section, problems


def preset_names() -> list[str]:
    """Names of the shipped presets."""
    return sorted(p.name.removesuffix(".yaml") for p in _presets().iterdir() if p.name.endswith(".yaml"))


def load_settings(
    preset: str = "default",
    overrides: Iterable[str] = (),
    values: Mapping[str, Any] | None = None,
    *,
    trained: bool = True,
) -> Settings:
    """The settings of a preset, then `values`, then `overrides`.

    Args:
        preset: a shipped name or a YAML file.
        overrides: texts such as `rl.learning_rate=3e-5` or `silver.gates.band.low=0.5`; the value is read as YAML.
        values: top-level settings, such as those of command-line flags.
        trained: False if nobody trains the model, as for `visplay eval`.
    Raises:
        ConfigError: an unknown preset or key, or a value out of its bounds.
    """
    merged = _read_preset(preset)
    for key, value in (values or {}).items():
        merged[key] = value
    for text in overrides:
        apply_override(merged, text)
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


def apply_override(values: dict[str, Any], text: str) -> None:
    """Change nested settings as `key=value` says; a component in a list is named by its type.

    Raises:
        ConfigError: the text is no `key=value`, or the key leads through a value.
    """
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
    change_setting(values, key.strip(), value)


def change_setting(values: dict[str, Any], key: str, value: Any) -> None:
    """Change one of nested settings; a component in a list is named by its type.

    Args:
        values: is changed; components in it are copied first, as several recipes may share them.
        key: dotted, such as `silver.gates.band.low`.
    Raises:
        ConfigError: the key leads through a value.
    """
    *sections, name = key.split(".")
    here: Any = values
    model: type[Section] | None = Settings
    for section in sections:
        here, model = _enter(here, model, section, key)
    if not isinstance(here, dict):
        raise ConfigError(
            f"'{key}': '{sections[-1]}' is a list; name a component in it, as in silver.gates.band.low=0.5"
        )
    here[name] = value


def _enter(here: Any, model: type[Section] | None, section: str, key: str) -> tuple[Any, type[Section] | None]:
    """The mapping or list under `section`, where components are mappings too, and the settings it is read as.

    What is not given is taken from the defaults, so that `engine.batch=64` changes the default engine.

    Args:
        here: a mapping or a list of components.
        model: the settings that `here` is read as; None inside a component.
    """
    if isinstance(here, list):
        inside = next((each for each in here if isinstance(each, dict) and each.get("type") == section), None)
        if inside is None:
            raise ConfigError(f"'{key}': there is no '{section}' in the list")
        return inside, None
    field = model.model_fields.get(section) if model is not None else None
    inside = _spelled_out(here.get(section), field)
    if not isinstance(inside, (dict, list)):
        raise ConfigError(f"'{key}': '{section}' is a value, not a section")
    here[section] = inside
    annotation = field.annotation if field is not None else None
    return inside, annotation if isinstance(annotation, type) and issubclass(annotation, Section) else None


def _spelled_out(value: Any, field: FieldInfo | None) -> Any:
    """A setting's value, or its default, with components that are written as their names as mappings."""
    if value is None:
        value = field.default if field is not None and isinstance(field.default, (str, tuple)) else {}
    seam = _seam(field) if field is not None else None
    if isinstance(value, (list, tuple)):
        return [_component(each, seam) for each in value]
    return _component(value, seam)


def _component(value: Any, seam: type[Component] | None) -> Any:
    if seam is not None and isinstance(value, str):
        meant = seam.from_text(value)
        return meant.as_settings() if isinstance(meant, Component) else dict(meant)
    return dict(value) if seam is not None and isinstance(value, dict) else value


def _seam(field: FieldInfo) -> type[Component] | None:
    """The base class of the component, or of the components, that a setting holds."""
    parts = (field.annotation, *get_args(field.annotation))
    return next((part for part in parts if isinstance(part, type) and issubclass(part, Component)), None)


def _presets() -> Traversable:
    return resources.files("visplay.config") / "presets"


def _read_preset(preset: str) -> dict[str, Any]:
    path = Path(preset)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise ConfigError(f"no preset file {preset}")
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise ConfigError(f"cannot read {preset} as UTF-8 text") from None
    elif preset in preset_names():
        text = (_presets() / f"{preset}.yaml").read_text(encoding="utf-8")
    else:
        raise ConfigError(f"no preset '{preset}'; choose one of {', '.join(preset_names())} or a .yaml file")
    try:
        values = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise ConfigError(f"{preset} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{preset} must hold a mapping of settings")
    return values
