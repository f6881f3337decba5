"""The controls: runs like a given one but for a few settings, which a gain must beat; and its ceiling, true labels.

A control keeps the base, the seed, the images and the number of steps of the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import resources
from typing import Any

from visplay.config import Settings
from visplay.config.loading import change_setting, check_settings
from visplay.errors import ConfigError, did_you_mean
from visplay.lab.observer import KnownImages
from visplay.types import Augmentation

Changes = dict[str, Any]  # values by dotted key, such as {"questioner.steps": 0}

CEILING = "true_labels"
"""The control that a run is not expected to beat: how much of its gain a run reaches is `summary.gap_closed`."""

_PLAIN: tuple[Augmentation, ...] = ("plain",)
# Each change beside its opposite, so that nobody chose by the labels which of them is easier.
_NEUTRAL: tuple[Augmentation, ...] = ("plain", "smaller", "larger", "darker", "brighter")
# A control shows where its change leads, so no iteration of it is rolled back.
_UNJUDGED: Changes = {"acceptance.images": 0, "acceptance.validation_set": None}


def _no_questioner(settings: Settings) -> Changes:
    """Questions of a fixed bank: about drawings in the lab's language, else plain questions about any image."""
    if settings.questioner.bank:
        raise ConfigError("the run asks questions of a bank itself")
    file = "lab.txt" if isinstance(settings.images, KnownImages) else "photos.txt"
    bank = (resources.files("visplay.selfplay") / "banks" / file).read_text(encoding="utf-8").splitlines()
    return {"questioner.steps": 0, "questioner.bank": bank}


def _true_labels(settings: Settings) -> Changes:
    """True silver answers, and every question that has one is kept; the Questioner is rewarded as in the run."""
    if not isinstance(settings.images, KnownImages):
        raise ConfigError(f"the truth of {settings.images} is not known")
    rewarding = settings.questioner.labeler or settings.silver.labeler
    tasks = [
        {"type": "true_answers", "share": source.share, "source": source.as_settings()}
        for source in settings.silver.tasks
    ]
    return {
        "questioner.labeler": rewarding.as_settings(),
        "silver.labeler": {
            "type": "true_answers",
            "augmentations": getattr(settings.silver.labeler, "augmentations", _PLAIN),
        },
        "silver.gates": [],
        "silver.tasks": tasks,
    }


def _neutral_views(settings: Settings) -> Changes:
    """Labels and learning over the same augmentations, which no label chose."""
    used: dict[str, Any] = {
        "silver.labeler.augmentations": getattr(settings.silver.labeler, "augmentations", None),
        "questioner.labeler.augmentations": getattr(settings.questioner.labeler, "augmentations", None),
        "reasoner.augmentations": settings.reasoner.augmentations,
    }
    used = {key: augmentations for key, augmentations in used.items() if augmentations is not None}
    if set(used.values()) == {_PLAIN}:
        raise ConfigError("the run has plain images alone")
    unchosen: Changes = {"silver.choose_augmentations": None} if settings.silver.choose_augmentations else {}
    return {key: list(_NEUTRAL) for key in used} | unchosen


CONTROLS: dict[str, Callable[[Settings], Changes]] = {
    "random_reward": lambda settings: {"questioner.reward": "random", "reasoner.reward": "random"},
    "format_reward": lambda settings: {"questioner.reward": "format", "reasoner.reward": "format"},
    "untrained_questioner": lambda settings: {"questioner.steps": 0},
    "no_questioner": _no_questioner,
    "sft": lambda settings: {"reasoner.advantages": "right_only"},
    "neutral_views": _neutral_views,
    CEILING: _true_labels,
}
"""The controls by name: what each changes in the settings of a run. ConfigError: it does not apply to the run."""


def control_names(controls: bool | Iterable[str]) -> tuple[str, ...]:
    """The named controls, all for True; ConfigError if there is no such control."""
    if isinstance(controls, bool):
        return tuple(CONTROLS) if controls else ()
    names = tuple(dict.fromkeys(controls))
    for name in names:
        if name not in CONTROLS:
            raise ConfigError(f"no control '{name}'{did_you_mean(name, CONTROLS)}; choose from {', '.join(CONTROLS)}")
    return names


def control_changes(name: str, settings: Settings) -> Changes:
    """What a control changes in the settings of a run, by dotted key.

    Raises:
        ConfigError: there is no such control, or it does not apply to the run, for example because it equals the run.
    """
    control_names([name])
    try:
        changes = CONTROLS[name](settings)
        if changed(settings, changes, name) == settings:
            raise ConfigError("it equals the run")
    except ConfigError as error:
        raise ConfigError(f"control {name}: {error}") from None
    return changes | _UNJUDGED


def changed(settings: Settings, changes: Changes, where: str) -> Settings:
    """The settings with `changes`; `where` begins the message of a ConfigError."""
    values = settings.model_dump(mode="json")
    for key, value in changes.items():
        change_setting(values, key, value)
    return check_settings(values, where, trust_remote_code=settings.trust_remote_code)
