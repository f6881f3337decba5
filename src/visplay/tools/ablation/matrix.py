"""A matrix of recipes and seeds: read and checked as a whole, before anything starts.

    preset: default                          # optional: a shipped name or a YAML file
    seeds: [0, 1, 2]
    settings:                                # optional: changes of every recipe, keys dotted or nested
      images: lab/single
      evaluation.suites: [lab]
    recipes:                                 # name → its own changes
      default: {}
      plain augmentations: {silver.labeler.augmentations: [plain]}
    against: default                         # the recipe that the others are compared with; else the first
    suites: [lab/single/pastel, lab/single]  # optional: the rows; else every suite, looks of a lab task pooled

Recipes share the section `evaluation`: accuracies on different items could not be paired.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from visplay.config import Settings, check_settings, load_settings
from visplay.config.loading import change_setting
from visplay.errors import ConfigError, EvaluationError
from visplay.evaluation.open_suites import open_suites
from visplay.evaluation.results import task_of


@dataclass(frozen=True, slots=True)
class Run:
    """One recipe with one seed.

    Attributes:
        recipe: its name.
        settings: with the run's own seed.
        path: the run directory, `OUT/recipe/seed-S`.
    """

    recipe: str
    settings: Settings
    path: Path

    def __str__(self) -> str:
        return f"{self.recipe}, seed {self.settings.seed}"

    @property
    def preset(self) -> Path:
        """The recipe's settings, as `visplay evolve --preset` reads them."""
        return self.path.parent / "settings.yaml"

    @property
    def log(self) -> Path:
        """What the run's process prints."""
        return self.path.parent / f"{self.path.name}.log"

    @property
    def begun(self) -> bool:
        """Whether there is a run to resume."""
        return (self.path / "config.yaml").exists()

    @property
    def finished(self) -> bool:
        """Whether the run has a result."""
        return (self.path / "summary.json").exists()


@dataclass(frozen=True, slots=True)
class Matrix:
    """A checked matrix.

    Attributes:
        recipes: settings by name; their seed means nothing.
        against: name of the recipe that the others are compared with.
        suites: those to report, None for all with the looks of lab tasks pooled.
    """

    recipes: Mapping[str, Settings]
    seeds: tuple[int, ...]
    against: str
    suites: tuple[str, ...] | None

    def runs(self, out: Path) -> tuple[Run, ...]:
        """Every recipe with the first seed, then with the next, so that an early look compares recipes."""
        return tuple(
            Run(name, settings.model_copy(update={"seed": seed}), out / _folder(name) / f"seed-{seed}")
            for seed in self.seeds
            for name, settings in self.recipes.items()
        )


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: str = "default"
    seeds: tuple[int, ...] = Field(min_length=1)
    settings: dict[str, Any] = {}
    recipes: dict[str, dict[str, Any]] = Field(min_length=1)
    against: str | None = None
    suites: tuple[str, ...] | None = Field(None, min_length=1)


def read_matrix(path: Path) -> Matrix:
    """A matrix whose every run has valid settings.

    Raises:
        ConfigError: the file cannot be read, a key is unknown or given twice, a setting of a recipe is wrong, or
            recipes cannot be compared.
    """
    file = _read(path)
    if len(set(file.seeds)) < len(file.seeds):
        raise ConfigError(f"{path}: seeds: one is there twice")
    against = next(iter(file.recipes)) if file.against is None else file.against
    if against not in file.recipes:
        raise ConfigError(f"{path}: against: no recipe '{against}'; choose one of {', '.join(file.recipes)}")
    matrix = Matrix({name: _settings(path, file, name) for name in file.recipes}, file.seeds, against, file.suites)
    _check_folders(path, matrix)
    _check_evaluation(path, matrix)
    return matrix


def flat(values: Mapping[Any, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys with their values, in order; a key given in both writings comes twice.

    A mapping with a type is a component, which is a value: it replaces another component with all of its settings.
    """
    for key, value in values.items():
        if isinstance(value, Mapping) and "type" not in value:
            yield from flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _keys_twice(node: Any) -> Iterator[str]:
    """Keys that a YAML mapping holds twice: loading it would keep the last one without a word."""
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value]
        yield from (key for place, key in enumerate(keys) if key in keys[:place])
        for _, value in node.value:
            yield from _keys_twice(value)


def _read(path: Path) -> _File:
    try:
        text = path.read_text(encoding="utf-8")
        values = yaml.safe_load(text)
        if not isinstance(values, dict):
            raise ConfigError(f"{path} must hold a mapping with seeds and recipes")
        for twice in _keys_twice(yaml.compose(text, yaml.SafeLoader)):
            raise ConfigError(f"{path}: '{twice}' is there twice")
        return _File.model_validate(values)
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"cannot read {path} as UTF-8 text") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        problems = (f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"{path}: {'; '.join(problems)}") from None


def _settings(path: Path, file: _File, name: str) -> Settings:
    where = f"{path}: recipe '{name}'"
    values = load_settings(file.preset).model_dump(mode="json")
    _apply(values, file.settings, f"{path}: settings")
    _apply(values, file.recipes[name], where)
    by_seed = [check_settings(values | {"seed": seed}, where) for seed in file.seeds]
    return by_seed[0]


def _apply(values: dict[str, Any], changes: Mapping[str, Any], where: str) -> None:
    keys = [key for key, _ in flat(changes)]
    for place, (dotted, value) in enumerate(flat(changes)):
        if dotted == "seed":
            raise ConfigError(f"{where}: seed: every recipe takes those listed under 'seeds'")
        if dotted in keys[:place]:
            raise ConfigError(f"{where}: {dotted} is there twice")
        try:
            change_setting(values, dotted, value)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None


def _folder(name: str) -> str:
    """A recipe's name as a folder's, without spaces, dots and slashes; empty when nothing else is in it."""
    return re.sub(r"[^\w-]+", "-", name).strip("-")


def _check_folders(path: Path, matrix: Matrix) -> None:
    names: dict[str, str] = {}
    for name in matrix.recipes:
        folder = _folder(name).casefold()  # some file systems do not distinguish case
        if not folder:
            raise ConfigError(f"{path}: recipe '{name}' needs a name with a letter or digit")
        if names.setdefault(folder, name) != name:
            raise ConfigError(
                f"{path}: recipes '{names[folder]}' and '{name}' would share the folder {_folder(name)}; rename one"
            )


def _check_evaluation(path: Path, matrix: Matrix) -> None:
    shared = next(iter(matrix.recipes.values())).evaluation
    for name, settings in matrix.recipes.items():
        if settings.evaluation != shared:
            raise ConfigError(f"{path}: recipe '{name}' is evaluated in another way; set that under 'settings'")
    if not shared.before:
        raise ConfigError(f"{path}: evaluation.before must be true: the table tells changes from the base")
    try:
        measured = [suite.name for suite in open_suites(shared.suites, seed=0, items_per_suite=1)]
    except EvaluationError as error:
        raise ConfigError(f"{path}: evaluation.suites: {error}") from None
    pooled = dict.fromkeys(task_of(name) or name for name in measured)
    for name in matrix.suites or ():
        if name not in pooled and name not in measured:
            raise ConfigError(f"{path}: suites: '{name}' is not measured; choose from {', '.join(pooled)}, or a look")
