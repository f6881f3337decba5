"""What a part measures with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from benchmarks.gpu.device import Device
from benchmarks.gpu.findings import Findings

T = TypeVar("T")
TINY = "tiny"


@dataclass(frozen=True)
class Bench:
    """The device, the sizes and the places of a part.

    Attributes:
        size: `--size`; empty for each part's own model.
        out: the folder of the findings.
        work: a folder for the files of models, which all parts share.
    """

    findings: Findings
    size: str
    out: Path
    work: Path
    device: Device = field(default_factory=Device)

    @property
    def is_tiny(self) -> bool:
        return self.size == TINY

    def pick(self, whole: T, tiny: T) -> T:
        """The first, or the second at sizes that measure nothing."""
        return tiny if self.is_tiny else whole

    @contextmanager
    def attempt(self, what: str) -> Iterator[None]:
        """Context manager that turns any error into a finding, and frees memory."""
        with self.findings.attempt(what):
            yield
        self.device.free()

    def has_gpu(self, what: str) -> bool:
        """Whether there is a GPU; if there is none, a finding says that `what` was left out."""
        if not self.device.is_gpu:
            self.findings.add(what, skipped="there is no GPU")
        return self.device.is_gpu
