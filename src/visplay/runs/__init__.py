"""A run's directory: settings, metrics, state, checkpoints, one owner at a time."""

from visplay.runs.directory import RunDirectory
from visplay.runs.metrics import MetricsLog, read_metrics
from visplay.runs.state import RunError

__all__ = ["MetricsLog", "RunDirectory", "RunError", "read_metrics"]
