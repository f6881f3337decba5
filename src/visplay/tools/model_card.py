"""The README.md of an exported role: the template `model_card.md`, filled in with a run's settings and figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from visplay import __version__
from visplay.config import Settings
from visplay.evaluation.results import task_of
from visplay.evaluation.summary import selected_iteration
from visplay.evaluation.table import points, share
from visplay.roles.open import Role
from visplay.selfplay.verdict import Verdict, last_accepted

_IMPORTANT = {
    "": ("seed", "iterations", "tune", "dtype", "four_bit", "train_vision", "min_pixels", "max_pixels"),
    "questioner": ("reward", "steps", "images_per_step", "group_size"),
    "silver": ("images", "questions_per_image", "labeler", "votes", "gates", "tasks"),
    "reasoner": ("reward", "steps", "questions_per_step", "group_size"),
    "rl": ("learning_rate", "kl"),
    "acceptance": ("images",),
    "lora": ("rank", "alpha", "dropout"),
}
_LICENSE = ("license", "license_name", "license_link")


def model_card(
    settings: Settings, summary: Mapping[str, Any], images: str | None, role: Role, name: str, adapter: bool
) -> str:
    """A model card for the Hugging Face hub (YAML, then Markdown); it holds no path of this machine.

    Args:
        settings, summary: the run's.
        images: how many it drew from, in words; None where that is not known.
        name: of the exported model.
        adapter: whether it is an adapter alone.
    """
    from huggingface_hub import ModelCard, ModelCardData

    verdicts = [Verdict.from_metrics(entry) for entry in summary["acceptance"]]
    # A run without measurements and verdicts selects its last iteration.
    iteration = selected_iteration(summary) or (0 if verdicts else len(summary["silver"]))
    base, license_ = public_name(settings.model), base_license(settings.model)
    front: dict[str, Any] = {
        "base_model": base,
        "base_model_relation": "adapter" if adapter else "finetune",
        "library_name": "peft" if adapter else "transformers",
        "pipeline_tag": "image-text-to-text",
        "tags": ["visplay", "self-evolution", "grpo", role],
    }
    card = ModelCard.from_template(
        ModelCardData(**front, **license_),
        template_path=str(Path(__file__).with_suffix(".md")),
        name=name,
        role=role,
        adapter=adapter,
        base=base,
        settings=settings,
        version=__version__,
        images=images,
        licence=license_.get("license_name", license_.get("license")),
        iteration=iteration,
        ran=len(summary["silver"]),
        judged=bool(verdicts),
        accepted=last_accepted(verdicts),
        validation_items=max((verdict.validation_items or 0 for verdict in verdicts), default=0),
        important=yaml.safe_dump(dict(_important(settings)), sort_keys=False, default_flow_style=None),
        silver=summary["silver"][iteration - 1] if iteration and summary["silver"] else None,
        rows=list(_rows(summary["suites"], iteration)),
    )
    return f"{card}\n"


def base_license(model: str) -> dict[str, Any]:
    """`license` and what belongs to it from the base's own model card; empty where it names none, or cannot be read."""
    if model == "lab":
        return {"license": "apache-2.0"}
    from huggingface_hub import metadata_load
    from transformers.utils.hub import cached_file

    card: Mapping[str, Any] = {}
    # The base need not be there any more; a card is no reason to fail.
    with suppress(OSError, ValueError, yaml.YAMLError):
        card = metadata_load(cached_file(model, "README.md") or "") or {}
    return {key: str(card[key]) for key in _LICENSE if card.get(key)}


def public_name(name: str) -> str:
    """A hub id as it is; of a path its last part, which tells nothing of this machine."""
    is_path = Path(name).expanduser().is_absolute() or name.startswith(".") or Path(name).exists()
    return Path(name).resolve().name if is_path else name


def _important(settings: Settings) -> Iterator[tuple[str, Any]]:
    values = settings.model_dump(mode="json")
    for section, keys in _IMPORTANT.items():
        for key in keys:
            value = values[section][key] if section else values[key]
            if value is not None and (key != "tasks" or value) and (section != "lora" or settings.tune == "lora"):
                yield f"{section}.{key}".lstrip("."), value


def _rows(suites: Mapping[str, Any], iteration: int) -> Iterator[tuple[str, ...]]:
    """Cells of each suite that was measured for the selected iteration; styles of lab tasks are pooled."""
    for name, suite in suites.items():
        base = suite["base"]
        measured = suite["iterations"][iteration - 1] if iteration else base
        if task_of(name) is None and measured is not None:
            change = measured.get("difference")
            told = points(change["mean"], change["ci95"]) if change else ""
            before = share(base["accuracy"], base["ci95"]) if base else ""
            yield name, str(measured["n"]), before, share(measured["accuracy"], measured["ci95"]), told
