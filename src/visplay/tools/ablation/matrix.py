"""A matrix of recipes and seeds: read and checked as a whole, before anything starts.

    preset: default                          # optional: a shipped name or a YAML file
    seeds: [0, 1, 2]
    settings:                                # optional: changes of every recipe, keys dotted or nested
      images: lab/single
      evaluation.suites: [lab]
    recipes:                                 # name → its own changes
      default: {}
      plain augmentations: {silver.labeler.augmentations: [plain]}
    against: default                         # whom the others are compared with; else the first
    suites: [lab/single/pastel, lab/single]  # optional: the rows; else every suite, looks of a lab task pooled

Recipes share the section `evaluation`: accuracies of other items could not be paired.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
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
class Recipe:
    """Settings under a name; their seed says nothing."""

    name: str
    settings: Settings

    @property
    def folder(self) -> str:
        """The name as a folder's, without spaces, dots and slashes; empty when nothing else is in it."""
        return re.sub(r"[^\w-]+", "-", self.name).strip("-")


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
        """There is something to go on from."""
        return (self.path / "config.yaml").exists()

    @property
    def finished(self) -> bool:
        """There is a result."""
        return (self.path / "summary.json").exists()


@dataclass(frozen=True, slots=True)
class Matrix:
    """What `read_matrix` found to be sound.

    Attributes:
        against: name of the recipe that the others are compared with.
        suites: those to report, None for all with the looks of lab tasks pooled.
    """

    recipes: tuple[Recipe, ...]
    seeds: tuple[int, ...]
    against: str
    suites: tuple[str, ...] | None

    def runs(self, out: Path) -> tuple[Run, ...]:
        """Every recipe with the first seed, then with the next, so that an early look compares recipes."""
        return tuple(
            Run(recipe.name, recipe.settings.model_copy(update={"seed": seed}), out / recipe.folder / f"seed-{seed}")
            for seed in self.seeds
            for recipe in self.recipes
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
        ConfigError: the file cannot be read, a key is unknown or twice there, a setting of a recipe is wrong, or
            recipes cannot be compared.
    """
    file = _read(path)
    if len(set(file.seeds)) < len(file.seeds):
        raise ConfigError(f"{path}: seeds: one is there twice")
    recipes = tuple(_recipe(path, file, name) for name in file.recipes)
    _check_folders(path, recipes)
    against = file.against if file.against is not None else recipes[0].name
    if against not in file.recipes:
        raise ConfigError(f"{path}: against: no recipe '{against}'; choose one of {', '.join(file.recipes)}")
    _check_evaluation(path, recipes, file.suites or ())
    return Matrix(recipes, file.seeds, against, file.suites)


def flat(values: Mapping[Any, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys with their values, in order; a key that is there in both writings comes twice.

    A mapping with a type is a component, which is a value: it replaces another one with all of its settings.
    """
    for key, value in values.items():
        dotted = f"{above}{key}"
        if isinstance(value, Mapping) and "type" not in value:
            yield from flat(value, f"{dotted}.")
        else:
            yield dotted, value


def _read(path: Path) -> _File:
    try:
        text = path.read_text(encoding="utf-8")
        tree = yaml.compose(text, yaml.SafeLoader)
        values = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"cannot read {path} as UTF-8 text") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold a mapping with seeds and recipes")
    twice = next(_keys_twice(tree), None)
    if twice is not None:
        raise ConfigError(f"{path}: '{twice}' is there twice")
    try:
        return _File.model_validate(values)
    except ValidationError as error:
        problems = (f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"{path}: {'; '.join(problems)}") from None


def _keys_twice(node: Any) -> Iterator[str]:
    """Keys that a YAML mapping holds twice: loading it would keep the last and say nothing."""
    if isinstance(node, yaml.SequenceNode):
        for element in node.value:
            yield from _keys_twice(element)
    elif isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value]
        yield from (key for place, key in enumerate(keys) if key in keys[:place])
        for _, value in node.value:
            yield from _keys_twice(value)


def _recipe(path: Path, file: _File, name: str) -> Recipe:
    where = f"{path}: recipe '{name}'"
    values = load_settings(file.preset).model_dump(mode="json")
    _apply(values, file.settings, f"{path}: settings")
    _apply(values, file.recipes[name], where)
    by_seed = [check_settings(values | {"seed": seed}, where) for seed in file.seeds]
    return Recipe(name, by_seed[0])


def _apply(values: dict[str, Any], changes: Mapping[str, Any], where: str) -> None:
    changed: set[str] = set()
    for dotted, value in flat(changes):
        if dotted == "seed":
            raise ConfigError(f"{where}: seed: every recipe takes those listed under 'seeds'")
        if dotted in changed:
            raise ConfigError(f"{where}: {dotted} is there twice")
        changed.add(dotted)
        try:
            change_setting(values, dotted, value)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None


def _check_folders(path: Path, recipes: Sequence[Recipe]) -> None:
    names: dict[str, str] = {}
    for recipe in recipes:
        # Some file systems do not tell small letters from capitals.
        folder = recipe.folder.casefold()
        if not folder:
            raise ConfigError(f"{path}: recipe '{recipe.name}' needs a name with a letter or digit")
        if folder in names:
            raise ConfigError(
                f"{path}: recipes '{names[folder]}' and '{recipe.name}' would share the folder {recipe.folder}; "
                "rename one"
            )
        names[folder] = recipe.name


def _check_evaluation(path: Path, recipes: Sequence[Recipe], wanted: Sequence[str]) -> None:
    shared = recipes[0].settings.evaluation
    for recipe in recipes:
        if recipe.settings.evaluation != shared:
            raise ConfigError(f"{path}: recipe '{recipe.name}' is evaluated in another way; set that under 'settings'")
    if not shared.before:
        raise ConfigError(f"{path}: evaluation.before must be true: the table tells changes from the base")
    try:
        measured = [suite.name for suite in open_suites(shared.suites, seed=0, items_per_suite=1)]
    except EvaluationError as error:
        raise ConfigError(f"{path}: evaluation.suites: {error}") from None
    pooled = dict.fromkeys(task_of(name) or name for name in measured)
    for name in wanted:
        if name not in pooled and name not in measured:
            raise ConfigError(f"{path}: suites: '{name}' is not measured; choose from {', '.join(pooled)}, or a look")
