"""The program in several processes of this machine, started and watched over by torch's own launcher.

On several machines torchrun starts `visplay evolve` as it starts any training.
"""

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
    """`visplay ARGUMENTS` in each of `processes`; where one fails, the others are ended.

    Returns:
        what the one that failed first returned, 0 when all went well, 130 when interrupted.
    Raises:
        DistributedError: there are fewer GPUs than processes, or one was killed.
    """
    gpus = torch.cuda.device_count()
    if torch.cuda.is_available() and processes > gpus:
        raise DistributedError(f"{processes} processes want a GPU each, and there are {gpus}; lower --processes")
    # What went wrong the processes tell themselves, in one line.
    for part in ("agent.server.api", "multiprocessing.api"):
        getLogger(f"torch.distributed.elastic.{part}").setLevel(CRITICAL)
    # On a CPU they would be in one another's way; on GPUs a process needs few threads.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id="visplay",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",  # not by this machine's name, which may lead nowhere
        logs_specs=DefaultLogsSpecs(log_dir=os.devnull),  # no folder is left behind
        max_restarts=0,  # a run is resumed, by its user
        monitor_interval=0.1,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "visplay", *arguments)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode < 0:
            raise DistributedError(
                f"process {rank + 1} of {processes} was killed ({failure.signal_name()}); "
                "`visplay evolve --resume --out DIR` goes on"
            ) from None
        return max(1, failure.exitcode)
    except SignalException as error:
        return 128 + int(error.sigval)
    return 0
