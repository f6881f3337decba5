"""`visplay lab score`: recipes and controls by seeds, on one page that answers what a sceptic asks.

The runs are those of a matrix (`ablation.py`), the figures those of `scores.py`. docs/comparing.md describes both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from visplay.config import Settings, load_settings
from visplay.config.loading import read_override
from visplay.config.yaml_file import read_yaml_file
from visplay.errors import ConfigError, EvaluationError, RunError
from visplay.evaluation.table import Table
from visplay.runs.files import write_json, write_whole
from visplay.selfplay.controls import CEILING, CONTROLS, control_changes
from visplay.tools.ablation import (
    Matrix,
    check_matrix,
    complete,
    flat,
    folder_name,
    read_matrix,
    refuse_other_settings,
)
from visplay.tools.scores import Cell, Row, Section, score_figures

PRESETS = ("paper-lab", "votes")
"""The recipes beside the preset of the controls, if the user names none."""

LEGEND = """\
The output of `visplay lab score`. A cell is the mean over seeds with Student's 95 % interval; from a single seed the
interval over its items, where there is one. A cell of fewer seeds than are finished says how many it has. Figures are
of greedy answers and of the iteration that a run hands over. Changes are in points, from the base, paired by item. All
recipes of a base have the same evaluation."""
NOTES = f"""\
* An endpoint is the plain mean of its suites. The lead is over the best baseline of each suite without training, which
  votes over the augmentations of the recipe's own labeler.
* The share of the gap is the whole gain divided by that of `{CEILING}` with the same seeds, with Fieller's interval. No
  interval: the gain of `{CEILING}` may be 0.
* A decline is a suite whose change lies below 0 with its whole interval. If nothing changes, one suite in forty does in
  each iteration.
* Learned items became right, corrupted items were right; sums over seeds, and over the suites of the macro mean.
* `{CEILING}` learns from true answers: it is a ceiling and no rival."""

_UNITS = {
    "points": (100.0, "+.1f"),
    "%": (100.0, ".1f"),
    "share": (1.0, ".2f"),
    "minutes": (1 / 60, ".1f"),
    "GB": (1e-9, ".2f"),
}
"""By the unit of a row: the factor from the unit of a summary, and the format."""


def score(
    matrices: Mapping[str, Matrix],
    out: Path,
    page: Path | None,
    processes: int | None,
    console: Console,
    *,
    go: bool,
    trust_remote_code: bool = False,
) -> bool:
    """Finish the runs of every base, and write the page after each run; with `go` False write it alone.

    Returns:
        True if no run failed.
    Raises:
        RunError: a run in `out` has other settings, `out` cannot be used, or no run is finished where none may go on.
        ConfigError: the folder of the page is not there.
    """
    runs = {base: matrix.runs(out / folder_name(base), trust_remote_code) for base, matrix in matrices.items()}
    if page and not page.parent.is_dir():
        raise ConfigError(f"--page: there is no folder {page.parent}")

    def keep() -> str:
        sections = [score_figures(base, matrices[base], runs[base]) for base in matrices]
        write_json(out / "scoreboard.json", {"sections": [asdict(section) for section in sections]})
        text = scoreboard_page(sections)
        write_whole(page or out / "scoreboard.md", text)
        return f"the page is {page or out / 'scoreboard.md'}"

    every = sorted((run for each in runs.values() for run in each), key=lambda run: run.settings.seed)
    if go:
        return complete(every, processes, console, keep)
    refuse_other_settings(every)
    if not any(run.finished for run in every):
        raise RunError(f"no run in {out} is finished; run the same command without --page-only")
    console.print(keep())
    return True


def scoreboard_matrices(
    recipes: Sequence[str], seeds: int, models: Sequence[str], preset: str, changes: Sequence[str], pass_k: int
) -> dict[str, Matrix]:
    """The matrix of each base, by the name of the base: `lab`, then `models`.

    Args:
        recipes: names of presets and controls, and YAML files, which are matrices or presets; none for `PRESETS`,
            `preset` and its controls.
        preset: the preset of the controls, whose images and evaluation all recipes have.
        changes: `key=value` texts, settings of every recipe.
        pass_k: 0 to leave pass@k out.
    Raises:
        ConfigError: a recipe or a setting is wrong, or two recipes or bases have the same name.
    """
    own = load_settings(preset, changes)
    votes = own.evaluation.baseline_votes or own.silver.votes
    fixed = {"sampled": False, "before": True, "paper_comparison": 0, "pass_k": pass_k, "baseline_votes": votes}
    settings: dict[str, Any] = {"images": own.images.as_settings()}
    settings["evaluation"] = own.evaluation.model_dump(mode="json") | fixed
    settings |= dict(read_override(text) for text in changes)
    named: dict[str, dict[str, Any]] = {}
    controls = _controls_of(own)
    for recipe in dict.fromkeys(recipes or (*PRESETS, preset, *controls)):
        for name, values in _recipe(recipe, preset).items():
            if name in named:
                raise ConfigError(f"the recipe '{name}' is there twice")
            named[name] = values
    found: dict[str, Matrix] = {}
    for model in dict.fromkeys(("lab", *models)):
        base = "/".join(Path(model).parts[-2:])
        if folder_name(base) in map(folder_name, found):
            raise ConfigError(f"--model: two bases are named '{base}'; rename a folder")
        found[base] = Matrix(seeds=tuple(range(seeds)), settings=settings | {"model": model}, recipes=named)
        try:
            check_matrix(found[base])
        except EvaluationError as error:
            raise ConfigError(str(error)) from None
    return found


def _controls_of(settings: Settings) -> Iterator[str]:
    """The controls that apply to a run, in the order of `CONTROLS`."""
    for name in CONTROLS:
        try:
            control_changes(name, settings)
        except ConfigError:
            continue
        yield name


def _recipe(name: str, preset: str) -> dict[str, dict[str, Any]]:
    """The recipes that a name or a file means."""
    if name in CONTROLS:
        return {name: {"preset": preset, "control": name}}
    if not name.endswith((".yaml", ".yml")):
        return {name: {"preset": name}}
    file = Path(name)
    try:
        is_matrix = "recipes" in (read_yaml_file(file) or {})
    except (ConfigError, TypeError):
        is_matrix = False  # `load_settings` says what is wrong
    if not is_matrix:
        return {file.stem: {"preset": name}}
    matrix = read_matrix(file)
    found: dict[str, dict[str, Any]] = {}
    for recipe, own in matrix.recipes.items():
        found[recipe] = {"preset": matrix.preset}
        for key, value in (*flat(matrix.settings), *flat(own)):
            # All recipes of a scoreboard are evaluated in the same way. A later change of a key is the last change.
            if not key.startswith("evaluation."):
                found[recipe].pop(key, None)
                found[recipe][key] = value
    return found


def scoreboard_page(sections: Iterable[Section]) -> str:
    """Markdown of what `score_figures` returned for each base."""
    parts = ["# Scoreboard", LEGEND, NOTES]
    for section in sections:
        parts += [f"## Base {section.base}", section.evaluated if section.tables else "No run is finished."]
        for title, rows in section.tables.items():
            finished = rows[0].cells
            lines = [(row.name, *(_text(row, name, finished[name]) for name in section.recipes)) for row in rows]
            parts += [f"### {title}", Table("", ("", *section.recipes), tuple(lines)).markdown()]
    return "\n\n".join(parts) + "\n"


def _text(row: Row, recipe: str, finished: Cell) -> str:
    cell = row.cells.get(recipe)
    if cell is None:
        return ""
    if "text" in cell:
        return str(cell["text"])
    factor, form = _UNITS[row.unit]
    mean, *ends = (format(factor * value, form) for value in (cell["mean"], *(cell["ci95"] or ())))
    unit = f" {row.unit}" if row.unit in ("minutes", "GB") else ""
    few = f" ({len(cell['seeds'])} seeds)" if len(cell["seeds"]) < len(finished["seeds"]) else ""
    interval = f" [{', '.join(ends)}]" if ends else ""
    return f"{mean}{interval}{unit}{few}"
