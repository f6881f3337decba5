"""Starts the program in several processes of this machine; on several machines, start it with torchrun."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from logging import CRITICAL, getLogger

import torch
from torch.distributed.elastic.multiprocessing.api import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from visplay.errors import DistributedError


def launch(arguments: Sequence[str], processes: int) -> int:
    """Exit status of `visplay ARGUMENTS` in several processes: that of the first failed one, or 130 after an interrupt.

    If a process fails, the others are killed.
    """
    gpus = torch.cuda.device_count()
    if torch.cuda.is_available() and processes > gpus:
        raise DistributedError(f"{processes} processes need a GPU each, and there are {gpus}; lower --processes")
    # The processes report their errors themselves.
    for part in ("agent.server.api", "multiprocessing.api"):
        getLogger(f"torch.distributed.elastic.{part}").setLevel(CRITICAL)
    # More threads than cores would slow all processes down.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id="visplay",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",  # the machine's name may not resolve
        logs_specs=DefaultLogsSpecs(log_dir=os.devnull),  # writes no log folder
        max_restarts=0,  # the user resumes a run
        monitor_interval=0.1,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "visplay", *arguments)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode < 0:
            raise DistributedError(
                f"process {rank + 1} of {processes} was killed ({failure.signal_name()}); "
                "continue with `visplay evolve --resume --out DIR`"
            ) from None
        return max(1, failure.exitcode)
    except SignalException as error:
        return 128 + int(error.sigval)
    return 0
