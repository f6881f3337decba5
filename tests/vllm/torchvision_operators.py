"""Declares what some builds of torchvision register from Python but bring no compiled code for, just in time.

`make test-vllm` puts it into its own environment where `import torchvision` fails without it; vLLM needs torchvision
for videos, which we never show it.
"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from typing import Any

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


class _BeforeTorchvision(MetaPathFinder):
    def find_spec(self, name: str, path: Any, target: Any = None) -> None:
        if name != "torchvision":
            return
        sys.meta_path.remove(self)
        import torch

        # What is declared lives as long as the library that declares it.
        self.library = torch.library.Library("torchvision", "DEF")
        for schema in _SCHEMAS:
            self.library.define(schema)
        _KEPT.append(self)


_KEPT: list[_BeforeTorchvision] = []
sys.meta_path.insert(0, _BeforeTorchvision())
