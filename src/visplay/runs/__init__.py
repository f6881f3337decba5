"""Run directories: settings, metrics, state and checkpoints; one process at a time may write."""

from visplay.errors import RunError
from visplay.runs.directory import RunDirectory, check_finished, check_free, check_run, in_use
from visplay.runs.metrics import MetricsLog, read_metrics
from visplay.runs.summaries import differ_in_seed_alone, read_summaries

__all__ = [
    "MetricsLog",
    "RunDirectory",
    "RunError",
    "check_finished",
    "check_free",
    "check_run",
    "differ_in_seed_alone",
    "in_use",
    "read_metrics",
    "read_summaries",
]
