"""Settings of a run: `load_settings` reads a preset or a YAML file and checks it before anything is loaded."""

from visplay.config.loading import check_settings, dump_settings, load_settings, preset_names
from visplay.config.settings import (
    AcceptanceSettings,
    Averaging,
    EvaluationSettings,
    LoraSettings,
    QuestionerSettings,
    ReasonerSettings,
    RLSettings,
    Settings,
    SilverSettings,
)

__all__ = [
    "AcceptanceSettings",
    "Averaging",
    "EvaluationSettings",
    "LoraSettings",
    "QuestionerSettings",
    "RLSettings",
    "ReasonerSettings",
    "Settings",
    "SilverSettings",
    "check_settings",
    "dump_settings",
    "load_settings",
    "preset_names",
]
