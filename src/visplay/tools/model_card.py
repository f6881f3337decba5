"""The README.md of an exported role: what it is, what it learned from, what was measured, how it is loaded."""

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
from visplay.evaluation.table import points
from visplay.roles.open import Role
from visplay.selfplay.verdict import Verdict, last_accepted

_DOES = {
    "reasoner": "looks at an image, thinks, and gives its answer in `\\boxed{}`",
    "questioner": "looks at an image and asks one question about it, with its type",
}
_TOLD = (
    *("seed", "iterations", "tune", "dtype", "four_bit", "train_vision", "min_pixels", "max_pixels"),
    *("questioner.reward", "questioner.steps", "questioner.images_per_step", "questioner.group_size"),
    *("silver.images", "silver.questions_per_image", "silver.labeler", "silver.votes", "silver.gates"),
    *("reasoner.reward", "reasoner.steps", "reasoner.questions_per_step", "reasoner.group_size"),
    *("rl.learning_rate", "rl.kl", "acceptance.images"),
)
_TOLD_OF_LORA = ("lora.rank", "lora.alpha", "lora.dropout")
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
    license_ = base_license(settings.model)
    front = {
        "base_model": public_name(settings.model),
        "base_model_relation": "adapter" if adapter else "finetune",
        "library_name": "peft" if adapter else "transformers",
        **license_,
        "pipeline_tag": "image-text-to-text",
        "tags": ["visplay", "self-evolution", "grpo", role],
    }
    parts = (
        f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---",
        f"# {name}",
        _about(settings, summary, images, role, license_),
        f"## Settings\n\nThose that matter most, by their names in visplay {__version__}:\n\n{_told(settings)}",
        "## Figures\n\n" + "\n".join(_figures(summary, role)),
        "## Use\n\n" + _use(settings, role, name, adapter),
    )
    return "\n\n".join(parts) + "\n"


def base_license(model: str) -> dict[str, str]:
    """`license` and what belongs to it from the base's own model card; empty where it names none, or cannot be read."""
    if model == "lab":
        return {"license": "apache-2.0"}
    from huggingface_hub import metadata_load
    from transformers.utils.hub import cached_file

    card = None
    # The base need not be there any more; a card is no reason to fail.
    with suppress(OSError, ValueError, yaml.YAMLError):
        file = cached_file(
            model,
            "README.md",
            _raise_exceptions_for_gated_repo=False,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
        card = metadata_load(file) if file else None
    return {key: str(card[key]) for key in _LICENSE if card and card.get(key)}


def public_name(name: str) -> str:
    """A hub id as it is; of a path its last part, which tells nothing of this machine."""
    is_path = Path(name).expanduser().is_absolute() or name.startswith(".") or Path(name).exists()
    return Path(name).resolve().name if is_path else name


def _about(
    settings: Settings, summary: Mapping[str, Any], images: str | None, role: Role, license_: Mapping[str, str]
) -> str:
    iteration, ran = _selected_iteration(summary), len(summary["silver"])
    verdicts = [Verdict.from_metrics(entry) for entry in summary["acceptance"]]
    accepted = last_accepted(verdicts)
    if not verdicts:
        handed = f"{iteration} of {ran}; none was judged, so it is the last"
    elif iteration == accepted and iteration:
        handed = f"{iteration} of {ran}, the last that was accepted"
    elif accepted:
        handed = f"{iteration or 'none'} of {ran}; later ones were accepted, but answered fewer labelled items"
    else:
        handed = f"none of {ran} was accepted, so these are the weights of the base"
    source = settings.images.public_name + (f", {images} of their names" if images else "")
    held_out = "; others were held out to judge by" if settings.acceptance.images else ""
    named = license_.get("license_name", license_.get("license"))
    licence = named or "its model card names none; look it up before you pass these weights on"
    lines = [
        f"The {role.capitalize()} of a run of visplay ([VisPlay](https://arxiv.org/abs/2511.15661)): it {_DOES[role]}. "
        "It learned from images without labels, by playing with a second role that began as the same base.",
        "",
        f"* Base: {public_name(settings.model)}",
        f"* Licence of the base: {licence}",
        f"* Images: {source}{held_out}",
        f"* Iteration handed over: {handed}",
    ]
    judged_by = [verdict.validation_items for verdict in verdicts if verdict.validation_items]
    if judged_by:
        lines.append(
            f"* Labelled items: {max(judged_by)}, to accept or reject iterations by; nothing was trained on them"
        )
    if settings.four_bit:
        lines.append(f"* It learned on a base in 4 bits; on one in {settings.dtype} answers may differ a little")
    return "\n".join(lines)


def _told(settings: Settings) -> str:
    told = (*_TOLD, *_TOLD_OF_LORA) if settings.tune == "lora" else _TOLD
    values = settings.model_dump(mode="json")
    found: dict[str, Any] = {}
    for key in told:
        section, _, name = key.rpartition(".")
        value = (values[section] if section else values)[name]
        if value is not None:
            found[key] = value
    return f"```yaml\n{yaml.safe_dump(found, sort_keys=False, default_flow_style=None)}```"


def _figures(summary: Mapping[str, Any], role: Role) -> Iterator[str]:
    iteration = _selected_iteration(summary)
    rows = [_row(name, suite, iteration) for name, suite in summary["suites"].items() if task_of(name) is None]
    if iteration and summary["silver"]:
        silver = summary["silver"][iteration - 1]
        yield f"In iteration {iteration}, {silver['kept']} of {silver['asked']} questions became silver."
        yield ""
    if not any(rows):
        yield "The run measured no suite."
        return
    whose = "of this model" if role == "reasoner" else "of the Reasoner that learned beside it"
    yield (
        f"Right answers {whose}, as `visplay evolve` measured them on labelled suites that training never sees: greedy "
        "decoding, 95 % Wilson interval; the change is paired by item, with its 95 % bootstrap interval."
    )
    yield "\n| suite | items | base, % | handed over, % | change, points |\n|---|---|---|---|---|"
    yield from (row for row in rows if row)


def _row(name: str, suite: Mapping[str, Any], iteration: int) -> str | None:
    """A suite's line; None where what is handed over was not measured on it."""
    base = suite["base"]
    measured = suite["iterations"][iteration - 1] if iteration else base
    if measured is None:
        return None
    change = measured.get("difference")
    told = points(change["mean"], change["ci95"]) if change else ""
    return f"| {name} | {measured['n']} | {_share(base) if base else ''} | {_share(measured)} | {told} |"


def _share(figures: Mapping[str, Any]) -> str:
    low, high = figures["ci95"]
    return f"{100 * figures['accuracy']:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def _selected_iteration(summary: Mapping[str, Any]) -> int:
    """As `selected_iteration`, also for a run that measured nothing."""
    return selected_iteration(summary) or (0 if summary["acceptance"] else len(summary["silver"]))


def _use(settings: Settings, role: Role, name: str, adapter: bool) -> str:
    base = public_name(settings.model)
    if adapter:
        loading = (
            "from peft import PeftModel\nfrom transformers import AutoModelForImageTextToText, AutoProcessor\n\n"
            f'base = AutoModelForImageTextToText.from_pretrained("{base}", dtype="{settings.dtype}")\n'
            f'model = PeftModel.from_pretrained(base, "{name}")\n'
            f'processor = AutoProcessor.from_pretrained("{base}")'
        )
    else:
        loading = (
            "from transformers import AutoModelForImageTextToText, AutoProcessor\n\n"
            f'model = AutoModelForImageTextToText.from_pretrained("{name}", dtype="{settings.dtype}")\n'
            f'processor = AutoProcessor.from_pretrained("{name}")'
        )
    told = {
        "reasoner": "`reasoner` in `prompts.yaml`, with the question in place of `{question}`",
        "questioner": "`questioner` in `prompts.yaml`",
    }
    served = "" if adapter else f" `vllm serve {name}` serves it."
    asked = f" `visplay ask {name} photo.jpg --question TEXT` asks it." if role == "reasoner" and not adapter else ""
    return f"```python\n{loading}\n```\n\nIt learned on one image and the text {told[role]}.{served}{asked}"
