"""What a run says when memory runs out, a device fails, or training diverges; and how a diverged run goes on.

Every such error ends in one line with a command that goes on. Nothing of the step under way is kept, so the run
directory holds the steps before it.

A diverged step would diverge again: its gradient comes from the weights of the last checkpoint and not from the
learning rate. A run that is resumed with a lower rate of the role that diverged therefore goes on with the weights,
optimizers and question history of its last accepted iteration, or of its beginning where none is accepted.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from visplay.config import Settings
from visplay.errors import NotFiniteError, OutOfMemory, TrainingError, VisplayError, one_line
from visplay.generation.backends.vllm import VLLMBackend
from visplay.models.out_of_memory import is_device_failure, is_out_of_memory
from visplay.runs import RunDirectory
from visplay.selfplay.schedule import phase_order
from visplay.types import StepId

_RATES = {"questioner": "questioner.learning_rate", "reasoner": "rl.learning_rate"}


@contextmanager
def explained(run: RunDirectory | None = None, at: Callable[[], StepId | None] | None = None) -> Iterator[None]:
    """Context manager that turns errors about memory, devices and values that are not finite into one line.

    Args:
        run: the run that can be resumed; None in a process that only shares its work.
        at: the step under way.
    """
    try:
        yield
    except NotFiniteError as error:
        if run is None:
            raise
        raise _diverged(run, at() if at else None, error) from None
    except OutOfMemory as error:
        raise _no_room(run, at() if at else None, error) from None
    except (MemoryError, RuntimeError, OSError) as error:
        step = at() if at else None
        if is_out_of_memory(error):
            raise _no_room(
                run, step, OutOfMemory("the work of this step" if step else "loading", one_line(error))
            ) from None
        if is_device_failure(error):
            raise TrainingError(f"{_place(step)}the device failed ({one_line(error)}){_go_on(run)}") from None
        raise


def learning_rate(settings: Settings, role: str) -> float:
    """The rate that a role is trained with."""
    own = settings.questioner.learning_rate if role == "questioner" else None
    return own or settings.rl.learning_rate


def taken_back(run: RunDirectory) -> bool:
    """Whether the last checkpoint is given up: training diverged after it, and the rate is lower than it was then."""
    failed, saved = run.events.not_finite(), run.load_state()
    if failed is None or saved is None or failed["role"] not in _RATES:
        return False
    undone = _order(failed) > _order(saved)
    return undone and learning_rate(run.settings, failed["role"]) < failed["rate"]


def _order(place: dict[str, object]) -> tuple[int, int, int]:
    iteration, phase, step = place["iteration"], place["phase"], place["step"]
    assert isinstance(iteration, int) and isinstance(phase, str) and isinstance(step, int)
    return iteration, phase_order(phase), step


def _diverged(run: RunDirectory, at: StepId | None, error: NotFiniteError) -> TrainingError:
    """Note the event, which `taken_back` reads."""
    if error.role not in _RATES or at is None:
        return TrainingError(f"{_place(at)}{error}")
    rate = learning_rate(run.settings, error.role)
    run.events.append("not finite", at, role=error.role, what=error.what, rate=rate)
    return TrainingError(
        f"{_place(at)}not finite: the {error.what} of the {error.role}; nothing of this step is kept. Lower the rate: "
        f"{_command(run)} --set {_RATES[error.role]}={rate / 10:g} goes on from the last accepted iteration, or from "
        "the base. If the base itself is at fault, start a new run with dtype: float32 or another model"
    )


def _no_room(run: RunDirectory | None, at: StepId | None, error: OutOfMemory) -> VisplayError:
    what = f"{_place(at)}out of memory in {error.doing} ({error.reason})"
    if run is None:
        return OutOfMemory(error.doing, error.reason)
    settings, resume = run.settings, _command(run)
    change = _less_memory(settings, error.doing)
    if change:
        return TrainingError(f"{what}; {resume} --set {change} goes on with less memory")
    smaller = "max_pixels, questioner.sampling.max_tokens or reasoner.sampling.max_tokens"
    if settings.tune == "full":
        smaller += ", tune: lora"
    elif not settings.four_bit:
        smaller += ", four_bit: true"
    return TrainingError(
        f"{what}; {resume} goes on where more memory is free, with --processes N on N GPUs; a new run takes less with "
        f"other settings: {smaller}"
    )


def _less_memory(settings: Settings, doing: str) -> str:
    """A change that a resumed run takes and that needs less memory; empty if there is none."""
    if settings.tune == "full" and settings.idle == "device":
        return "idle=cpu"
    if doing != "generation" and not settings.gradient_checkpointing:
        return "gradient_checkpointing=true"
    if isinstance(settings.engine, VLLMBackend) and settings.engine.gpu_memory_utilization > 0.2:
        return f"engine.gpu_memory_utilization={settings.engine.gpu_memory_utilization / 1.5:.2g}"
    return ""


def _place(at: StepId | None) -> str:
    return f"iteration {at.iteration} {at.phase} step {at.step + 1}: " if at else ""


def _command(run: RunDirectory) -> str:
    return f"visplay evolve --resume --out {shlex.quote(str(run.path))}"


def _go_on(run: RunDirectory | None) -> str:
    return f"; {_command(run)} goes on" if run else ""
