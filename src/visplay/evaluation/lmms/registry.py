"""What makes `visplay` a model of lmms-eval's own program: `python -m lmms_eval --model visplay`."""

from __future__ import annotations

from typing import Any


def manifest() -> Any:
    """The entry point `lmms_eval.models` of this package."""
    from lmms_eval.models.registry_v2 import ModelManifest

    return ModelManifest("visplay", simple_class_path="visplay.evaluation.lmms.model.VisplayModel")
