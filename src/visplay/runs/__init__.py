"""Run directories: settings, metrics, state and checkpoints; one process at a time may write."""

from visplay.runs.directory import RunDirectory as RunDirectory
from visplay.runs.directory import check_changes as check_changes
from visplay.runs.directory import check_finished as check_finished
from visplay.runs.directory import check_free as check_free
from visplay.runs.directory import check_run as check_run
from visplay.runs.directory import in_use as in_use
from visplay.runs.metrics import read_metrics as read_metrics
