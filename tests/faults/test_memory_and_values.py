"""Memory that runs out and values that are not finite, in update and generation; the printed advice is followed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.faults.small_run import advised, begin, events, metrics, one_line
from tests.selfplay.test_golden import flat, is_exact, is_float
from visplay.cli.main import main
from visplay.config import load_settings
from visplay.generation import tree_decoding
from visplay.generation.batching import BatchLimits
from visplay.generation.batching import decoding as DECODING
from visplay.models.tree_model import TreeModel
from visplay.rl.optimizer import MasterOptimizer
from visplay.rl.trainer import Trainer

pytestmark = pytest.mark.faults
OUT = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
ERRORS = [OUT, MemoryError(), RuntimeError("CUDA error: out of memory")]
LOGPROBS, LOGITS = TreeModel.logprobs, TreeModel.logits
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nothing disturbs."""
    run = tmp_path_factory.mktemp("reference") / "run"
    assert begin(run) == 0
    assert [line["phase"] for line in metrics(run)].count("reasoner") == 3
    return run


@pytest.fixture
def undo() -> Iterator[pytest.MonkeyPatch]:
    """Injections, which `undo.undo()` ends."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def room_in_update(most: int, error: Exception) -> Callable[..., Any]:
    def logprobs(self: TreeModel, trees: Any, *rest: Any, **named: Any) -> Any:
        if torch.is_grad_enabled() and sum(len(tree.paths) for tree in trees) > most:
            raise error
        return LOGPROBS(self, trees, *rest, **named)

    return logprobs


def in_generation(undo: pytest.MonkeyPatch, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Change the logits of the tree decoder alone; the probe and the update compute logits as well."""
    inside = list[bool]()

    @contextmanager
    def decoding(size: BatchLimits) -> Iterator[None]:
        inside.append(True)
        try:
            with DECODING(size):
                yield
        finally:
            inside.pop()

    def logits(self: TreeModel, hidden: torch.Tensor) -> torch.Tensor:
        found = LOGITS(self, hidden)
        return change(found) if inside else found

    undo.setattr(tree_decoding, "decoding", decoding)
    undo.setattr(TreeModel, "logits", logits)


def room_for(most: int, error: Exception) -> Callable[[torch.Tensor], torch.Tensor]:
    def change(logits: torch.Tensor) -> torch.Tensor:
        if len(logits) > most:
            raise error
        return logits

    return change


def same_up_to_rounding(run: Path, reference: Path) -> None:
    for ours, theirs in zip(metrics(run), metrics(reference), strict=True):
        assert flat(ours, keep=is_exact) == flat(theirs, keep=is_exact)
        assert flat(ours, keep=is_float) == pytest.approx(flat(theirs, keep=is_float), rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("most", [5, 1])
def test_an_update_that_does_not_fit_goes_on_in_smaller_parts(
    tmp_path: Path, reference: Path, undo: pytest.MonkeyPatch, capsys: Capture, error: Exception, most: int
) -> None:
    undo.setattr(TreeModel, "logprobs", room_in_update(most, error))
    run = tmp_path / "run"
    assert begin(run) == 0
    said = capsys.readouterr().out
    assert said.count("out of memory; from now on") == len(events(run)) - 1 >= 1
    same_up_to_rounding(run, reference)
    size = load_settings(str(run / "config.yaml")).rl.micro_batch_tokens
    assert size < 8192 and events(run)[-1]["changes"]["rl.micro_batch_tokens"][1] == size
    assert f'"reduced": {{"rl.micro_batch_tokens": {size}}}' in (run / "metrics.jsonl").read_text()


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_batch_that_does_not_fit_is_decoded_in_halves(
    tmp_path: Path, reference: Path, undo: pytest.MonkeyPatch, capsys: Capture, error: Exception
) -> None:
    in_generation(undo, room_for(6, error))
    run = tmp_path / "run"
    assert begin(run) == 0
    assert "out of memory; from now on engine.batch" in capsys.readouterr().out
    same_up_to_rounding(run, reference)
    assert load_settings(str(run / "config.yaml")).engine.batch_size <= 6


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    ("changes", "advice"),
    [({}, "--set gradient_checkpointing=true"), ({"gradient_checkpointing": "true"}, "max_pixels")],
)
def test_an_update_that_nothing_makes_fit_is_one_line_whose_advice_works(
    tmp_path: Path, reference: Path, undo: pytest.MonkeyPatch, capsys: Capture, error: Exception,
    changes: dict[str, str], advice: str,
) -> None:  # fmt: skip
    undo.setattr(TreeModel, "logprobs", room_in_update(0, error))
    run = tmp_path / "run"
    assert begin(run, **changes) == 2
    line = one_line(capsys.readouterr().err)
    assert "out of memory in the update" in line and "iteration 1 questioner step 1" in line and advice in line
    undo.undo()
    assert main(advised(line)) == 0
    same_up_to_rounding(run, reference)
    if not changes:
        assert load_settings(str(run / "config.yaml")).gradient_checkpointing
        assert events(run)[-1]["changes"] == {"gradient_checkpointing": [False, True]}


def test_generation_that_nothing_makes_fit_is_one_line_and_resumes(
    tmp_path: Path, reference: Path, undo: pytest.MonkeyPatch, capsys: Capture
) -> None:
    in_generation(undo, room_for(0, OUT))
    run = tmp_path / "run"
    assert begin(run) == 2
    line = one_line(capsys.readouterr().err)
    assert "out of memory in generation" in line and "max_tokens" in line and "max_pixels" in line
    undo.undo()
    assert main(advised(line)) == 0
    same_up_to_rounding(run, reference)


def test_a_device_that_fails_is_one_line_and_resumes(
    tmp_path: Path, reference: Path, undo: pytest.MonkeyPatch, capsys: Capture
) -> None:
    failure = RuntimeError("CUDA error: an illegal memory access was encountered")
    undo.setattr(TreeModel, "logprobs", room_in_update(0, failure))
    run = tmp_path / "run"
    assert begin(run) == 2
    line = one_line(capsys.readouterr().err)
    assert "the device failed (CUDA error: an illegal memory access" in line
    undo.undo()
    assert main(advised(line)) == 0
    assert metrics(run) == metrics(reference)


def spoil_gradient(undo: pytest.MonkeyPatch, number: float, at: int) -> None:
    real, calls = Trainer._accumulate, [0]

    def accumulate(self: Trainer, *rest: Any) -> None:
        real(self, *rest)
        calls[0] += 1
        if calls[0] == at:
            gradient = next(p.grad for p in self.policy.trainable() if p.grad is not None)
            gradient.flatten()[0] = number

    undo.setattr(Trainer, "_accumulate", accumulate)


def spoil_loss(undo: pytest.MonkeyPatch, number: float, at: int) -> None:
    calls = [0]

    def logprobs(self: TreeModel, *rest: Any, **named: Any) -> Any:
        scores = LOGPROBS(self, *rest, **named)
        calls[0] += torch.is_grad_enabled()
        return scores._replace(logprobs_ST=scores.logprobs_ST * number) if calls[0] >= at else scores

    undo.setattr(TreeModel, "logprobs", logprobs)


def spoil_weights(undo: pytest.MonkeyPatch, number: float, at: int) -> None:
    real, calls = MasterOptimizer.step, [0]

    def step(self: MasterOptimizer, decay: float) -> None:
        real(self, decay)
        calls[0] += 1
        if calls[0] == at:
            self._parameters[1].data.flatten()[0] = number

    undo.setattr(MasterOptimizer, "step", step)


def spoil_logits(undo: pytest.MonkeyPatch, number: float, at: int) -> None:
    real, calls = Trainer.step, [0]

    def step(self: Trainer, groups: Any, decay: float) -> Any:
        calls[0] += 1
        return real(self, groups, decay)

    undo.setattr(Trainer, "step", step)
    in_generation(undo, lambda logits: logits * (number if calls[0] >= at else 1))


SPOILERS = {"gradient": spoil_gradient, "loss": spoil_loss, "weights": spoil_weights, "logits": spoil_logits}


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
@pytest.mark.parametrize("at", [1, 2, 4])
@pytest.mark.parametrize("what", SPOILERS)
def test_what_is_not_finite_ends_the_run_before_it_is_saved_and_the_advice_works(
    tmp_path: Path, undo: pytest.MonkeyPatch, capsys: Capture, what: str, at: int, number: float
) -> None:
    SPOILERS[what](undo, number, at)
    run = tmp_path / "run"
    assert begin(run) == 2
    line = one_line(capsys.readouterr().err)
    assert f"not finite: the {what} of the" in line and "learning_rate=1e-06" in line
    assert all_finite(run)
    undo.undo()
    saved = len(metrics(run))
    assert main(advised(line)) == 0
    assert "learning_rate 1e-05 → 1e-06" in capsys.readouterr().out
    assert len(metrics(run)) > saved and all_finite(run)
    assert [event["event"] for event in events(run)] == ["begun", "not finite", "resumed"]


def all_finite(run: Path) -> bool:
    tensors = [tensor for file in run.rglob("*.safetensors") for tensor in load_file(file).values()]
    return all(bool(tensor.isfinite().all()) for tensor in tensors)


def test_a_run_that_diverged_by_its_rate_goes_on_with_a_lower_one(
    tmp_path: Path, reference: Path, undo: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """Its weights are finite, but nothing can be computed with them, at whatever rate."""
    weights = load_file(next((reference / "reasoner").glob("*.safetensors"))).values()
    largest = max(float(tensor.abs().max()) for tensor in weights) + 0.5

    def logprobs(self: TreeModel, *rest: Any, **named: Any) -> Any:
        scores = LOGPROBS(self, *rest, **named)
        overflows = max(float(p.detach().abs().max()) for p in self.model.parameters()) > largest
        return scores._replace(logprobs_ST=scores.logprobs_ST * float("inf")) if overflows else scores

    undo.setattr(TreeModel, "logprobs", logprobs)
    run = tmp_path / "run"
    assert begin(run, rl__learning_rate="1") == 2
    line = one_line(capsys.readouterr().err)
    assert "iteration 1 reasoner step 2" in line and "the loss of the reasoner" in line
    assert main(advised(line)[:4]) == 2, "the same step at the same rate diverges again"
    assert "reasoner step 2" in one_line(capsys.readouterr().err)
    command = [*advised(line)[:4], "--set", "rl.learning_rate=1e-5"]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "rl.learning_rate 1.0 → 1e-05" in said and "back to the last accepted iteration" in said
    assert [line["phase"] for line in metrics(run)].count("reasoner") == 3
