"""Components: the parts of a run that a setting names and a user can replace.

A seam is a kind of component. `class Gate(Component, seam="gate")` opens a seam. `class Band(Gate, type="band")` adds a
component to it, and a setting `gate: Gate` holds one. The fields of a component are its settings, so YAML, `--set`,
`visplay components` and the documentation read them from the class. YAML names a component in one of three ways:

    gates:
      - answered                                   # its name, with default settings
      - {type: band, low: 0.6}                     # its name and settings
      - {type: custom, import_path: "my_package.my_module:MyGate", limit: 3}     # a class of the user's own

Source of the idea: discriminated unions of pydantic; import paths as in prime-rl.
"""

from __future__ import annotations

import os
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from importlib import import_module
from inspect import cleandoc
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, TypeVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import CoreSchema, core_schema

from visplay.errors import PASSWORD_IN_URL, ConfigError, did_you_mean, without_secrets

BUILT_IN: dict[str, tuple[str, ...]] = {
    "labeler": ("visplay.labeling.labelers", "visplay.lab.labelers"),
    "gate": ("visplay.labeling.gates",),
    "task_source": ("visplay.labeling.tasks", "visplay.lab.tasks"),
    "questioner_reward": ("visplay.rl.rewards.questioner",),
    "reasoner_reward": ("visplay.rl.rewards.reasoner",),
    "advantages": ("visplay.rl.advantages",),
    "loss": ("visplay.rl.losses",),
    "engine": ("visplay.generation.backends",),
    "image_source": ("visplay.data.sources", "visplay.lab.sources"),
    "suite": ("visplay.evaluation.suites", "visplay.lab.suites"),
}
"""Packages whose modules hold the built-in components of each seam; every module in them is imported."""

CUSTOM = "custom"
_BASES: dict[str, type[Component]] = {}
_REGISTERED: dict[str, dict[str, type[Component]]] = {}


RESUMABLE = "a resumed run takes another value"
_Value = TypeVar("_Value")
MayChange = Annotated[_Value, RESUMABLE]
"""Annotation of a setting that may change when a run is resumed, with all settings below it; no other may."""


class Section(BaseModel):
    """A group of settings: frozen; numbers are finite and below 2^63; an unknown key is an error.

    Settings are written to files, shown and sent to trackers, so an address with a password is refused.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _is_no_truth_value(cls, value: Any, info: ValidationInfo) -> Any:
        """pydantic takes `true` for 1."""
        annotation = cls.model_fields[info.field_name or ""].annotation
        kinds = (annotation, *get_args(annotation))
        if isinstance(value, bool) and bool not in kinds and (int in kinds or float in kinds):
            raise ValueError("Input should be a number, not true or false")
        return value

    @field_validator("*", mode="after")
    @classmethod
    def _can_be_kept(cls, value: Any) -> Any:
        for one in _leaves(value):
            if isinstance(one, int) and abs(one) >= 2**63:
                raise ValueError("Input should be below 2^63")
            if isinstance(one, str | Path) and "\0" in str(one):
                raise ValueError("Input should have no NUL character")
            if isinstance(one, str | Path) and PASSWORD_IN_URL.search(str(one)):
                raise ValueError("holds a password; settings are written to files, so name an environment variable")
        return value


class Component(Section):
    """A replaceable part of a run; its fields are its settings."""

    seam: ClassVar[str] = ""
    """The kind of component, such as "gate"."""
    type: ClassVar[str] = CUSTOM
    """The name that settings use; "custom" for a class that a user gives by its import path."""

    def __init_subclass__(cls, *, seam: str = "", type: str = "", **options: Any) -> None:
        super().__init_subclass__(**options)

    @classmethod
    def __pydantic_init_subclass__(cls, *, seam: str = "", type: str = "", **options: Any) -> None:
        super().__pydantic_init_subclass__(**options)
        if seam:
            cls.seam = seam
            _BASES[seam] = cls
        cls.type = type or CUSTOM
        if type:
            first = _REGISTERED.setdefault(cls.seam, {}).setdefault(type, cls)
            if _path(first) != _path(cls):
                raise TypeError(f"{cls.seam} '{type}' is defined twice: {_path(first)} and {_path(cls)}")
            _REGISTERED[cls.seam][type] = cls

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """A setting whose annotation is the base class of a seam takes whatever `read_component` takes."""
        if _BASES.get(cls.seam) is not cls:
            return handler(source)
        return core_schema.no_info_plain_validator_function(
            partial(read_component, cls.seam),
            serialization=core_schema.plain_serializer_function_ser_schema(Component.as_settings),
        )

    @property
    def name(self) -> str:
        """The name of the component in metrics and records: its type, or the class name of a custom one."""
        return self.type if self.type != CUSTOM else self.__class__.__name__

    @classmethod
    def from_text(cls, text: str) -> Mapping[str, Any] | Self:
        """The component that a single word of YAML names; seams with a shorter notation override this."""
        return {"type": text}

    @classmethod
    def summary(cls) -> str:
        """The first paragraph of the docstring on one line, for help texts."""
        return " ".join(cleandoc(cls.__doc__ or "").split("\n\n")[0].split())

    def as_settings(self) -> dict[str, Any]:
        """Plain values that `read_component` reads back to an equal component."""
        # A class of the user's own is dumped by its path even where it has a name: nothing else would import it.
        own = not self.__class__.__module__.startswith(tuple(f"{package}." for package in BUILT_IN.get(self.seam, ())))
        head = {"type": CUSTOM, "import_path": _path(self.__class__)} if own else {"type": self.type}
        return head | self.model_dump(mode="json")


def components(seam: str) -> dict[str, type[Component]]:
    """The named components of a seam, by name, in alphabetical order."""
    for package in BUILT_IN.get(seam, ()):
        path = import_module(package).__path__
        for module in pkgutil.iter_modules(path):
            import_module(f"{package}.{module.name}")
    return dict(sorted(_REGISTERED.get(seam, {}).items()))


def read_component(seam: str, value: Any) -> Component:
    """The component that a setting's value names.

    Args:
        value: a component, its name, or a mapping with `type` and settings.
    Raises:
        ValueError: no such component, or a wrong setting of it; the message is one line.
    """
    known, base, kind = components(seam), _BASES[seam], seam.replace("_", " ")
    if isinstance(value, str):
        value = base.from_text(value)
    if isinstance(value, base):
        return value
    if not isinstance(value, Mapping) or not isinstance(value.get("type"), str):
        raise ValueError(f"name the {kind} by its type: one of {', '.join(known)}, or custom")
    settings = dict(value)
    name = settings.pop("type")
    if name != CUSTOM and name not in known:
        raise ValueError(
            f"no {kind} '{name}'{did_you_mean(name, known)}; choose one of {', '.join(known)}, or "
            "{type: custom, import_path: 'package.module:Class'}"
        )
    chosen = _imported(base, settings.pop("import_path", None)) if name == CUSTOM else known[name]
    try:
        return chosen.model_validate(settings)
    except ValidationError as error:
        raise ValueError(f"{kind} '{name}': {problems(error, chosen)}") from None


def problems(error: ValidationError, section: type[BaseModel] | None = None) -> str:
    """All problems of a validation in one line, each with the path of its setting; at most 20.

    Args:
        section: what was validated, to say which setting a misspelt one may mean.
    """
    found = []
    for problem in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in problem["loc"])[:200]
        words = without_secrets(problem["msg"].removeprefix("Value error, "))[:1000]
        if section and problem["type"] == "extra_forbidden":
            words += _meant(where, dict.fromkeys(setting_paths(section)))
        found.append(f"{where}: {words}" if where else words)
    more = [f"and {len(found) - 20} more"] if len(found) > 20 else []
    return "; ".join(found[:20] + more)


def setting_paths(section: type[BaseModel], above: str = "") -> Iterator[str]:
    """The dotted paths of all settings of a section, such as `rl.learning_rate`; components are not entered."""
    for name, field in section.model_fields.items():
        yield f"{above}{name}"
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, Section) and kind not in _BASES.values():
                yield from setting_paths(kind, f"{above}{name}.")


def _meant(path: str, known: Mapping[str, Any]) -> str:
    """The setting that an unknown path may mean: one of the same name elsewhere, else the one spelt most like it."""
    name = path.rpartition(".")[2]
    elsewhere = [each for each in known if each.rpartition(".")[2] == name]
    return f" (did you mean '{elsewhere[0]}'?)" if len(elsewhere) == 1 else did_you_mean(path, elsewhere or known)


def _leaves(value: Any) -> Iterator[Any]:
    """The values in nested tuples, lists and mappings, keys among them."""
    if isinstance(value, Mapping):
        value = (*value, *value.values())
    if isinstance(value, tuple | list):
        for one in value:
            yield from _leaves(one)
    else:
        yield value


def by_name(default: str | tuple[str, ...], description: str) -> Any:
    """A pydantic field whose default is a component's name; the component is looked up when settings are made."""
    return Field(default=default, description=description)


def import_named(module: str) -> None:
    """Import a module that the user names on the command line; the working directory is searched as well.

    Raises:
        ConfigError: the module cannot be imported.
    """
    _search_working_directory()
    try:
        import_module(module)
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise ConfigError(f"--import: '{module}' cannot be imported: {said}") from error


def _search_working_directory() -> None:
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())


def _imported(base: type[Component], import_path: Any) -> type[Component]:
    """The user's class; the working directory is searched as well."""
    if not all(str(import_path or "").partition(":")):
        raise ValueError("type: custom needs import_path: 'package.module:Class'")
    _search_working_directory()
    try:
        found: Any = pkgutil.resolve_name(import_path)
    # The module is the user's: whatever it raises is shown in the one line that names it.
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(f"import_path '{import_path}' cannot be imported: {said}") from error
    if not (isinstance(found, type) and issubclass(found, base)):
        raise ValueError(f"import_path '{import_path}' is not a subclass of {base.__module__}.{base.__name__}")
    return found


def _path(component: type[Component]) -> str:
    return f"{component.__module__}:{component.__qualname__}"
