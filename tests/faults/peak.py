"""The peak of this process's memory."""

from __future__ import annotations

import re
from pathlib import Path


def peak_bytes() -> int:
    """Most memory that was resident since the program began.

    `getrusage` would tell the peak of the process that started this one, if that was higher.
    """
    (kib,) = re.findall(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(kib) * 1024
