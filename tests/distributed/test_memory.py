"""When memory runs out in one process, all processes go on with the same size, and with the same result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.real_processes import together
from visplay.config import LoraSettings, RLSettings
from visplay.distributed.controller import init_distributed
from visplay.errors import NotFiniteError, OutOfMemory
from visplay.generation.backends.transformers import TransformersEngine
from visplay.generation.factory import DistributedEngine
from visplay.interfaces.engine import Sampling
from visplay.models.policy import Policy, new_policy
from visplay.models.vlm import VLM
from visplay.rl.trainer import Trainer
from visplay.types import Group, ImageRef, Request

SAMPLING = Sampling(max_tokens=4)


def _requests(images: tuple[ImageRef, ...]) -> list[Request]:
    return [Request(f"{image.id}/{q}", image, q, 4) for image in images[:4] for q in ("What?", "Where?")]


def _updated(folder: Path, images: tuple[ImageRef, ...], failing: int, most: int) -> list[Any]:
    """Sizes, norm of the gradient and weights after a step in which process `failing` has room for `most` sequences."""
    base = VLM.load(folder, device="cpu")
    found = TransformersEngine(Policy(base), 0).generate(_requests(images), SAMPLING)
    groups = [Group(r, found[r.id], tuple(float(n % 2) for n in range(4))) for r in _requests(images)]
    with init_distributed() as controller:
        policy = new_policy(base, "reasoner", "full", LoraSettings())
        trainer = Trainer(policy, RLSettings(learning_rate=1e-3), 4, controller)
        real = policy.vlm.logprobs

        def logprobs(trees: Any, *rest: Any) -> Any:
            if controller.rank == failing and sum(len(tree.paths) for tree in trees) > most:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return real(trees, *rest)

        policy.vlm.logprobs = logprobs  # type: ignore[method-assign]
        said, norm = "", 0.0
        try:
            if controller.is_main:
                norm = trainer.step(groups)["grad_norm"]
                controller.shutdown()
            else:
                controller.serve()
        except OutOfMemory as error:
            said = str(error)
        weights = torch.cat([p.detach().flatten() for p in policy.trainable()])
    return [trainer.micro_batch.tokens, said, norm, weights]


def test_all_processes_cut_the_update_alike(tmp_path: Path, model_folder: Path, images: tuple[ImageRef, ...]) -> None:
    (tmp_path / "whole").mkdir(), (tmp_path / "cut").mkdir()
    whole = together(2, _updated, model_folder, images, 9, 0, folder=tmp_path / "whole")
    cut = together(2, _updated, model_folder, images, 1, 3, folder=tmp_path / "cut")
    assert cut[0][0] == cut[1][0] < whole[0][0] == whole[1][0] == 8192
    assert cut[0][2] == pytest.approx(whole[0][2], rel=1e-4)
    assert torch.equal(cut[0][3], cut[1][3])


def test_a_lack_that_nothing_mends_ends_all_processes(
    tmp_path: Path, model_folder: Path, images: tuple[ImageRef, ...]
) -> None:
    found = together(2, _updated, model_folder, images, 1, 0, folder=tmp_path)
    assert all("out of memory in the update" in said for _, said, _, _ in found)
    assert torch.equal(found[0][3], found[1][3])


def _generated(folder: Path, images: tuple[ImageRef, ...], failing: int, most: int, bad: bool) -> list[Any]:
    """Limits and completions, or the error, where the logits of process `failing` do not fit or are not finite."""
    base = VLM.load(folder, device="cpu")
    with init_distributed() as controller:
        engine = DistributedEngine(TransformersEngine(Policy(base, "reasoner"), 0), controller)
        real = base.logits

        def logits(hidden: torch.Tensor) -> torch.Tensor:
            if controller.rank == failing and len(hidden) > most:
                raise torch.OutOfMemoryError("CUDA out of memory")
            found = real(hidden)
            return found * float("nan") if bad and controller.rank == failing else found

        base.logits = logits  # type: ignore[method-assign]
        said, ids = "", []
        try:
            if controller.is_main:
                found = engine.generate(_requests(images), SAMPLING)
                ids = [list(c.token_ids) for completions in found.values() for c in completions]
                controller.shutdown()
            else:
                controller.serve()
        except (NotFiniteError, OutOfMemory) as error:
            said = str(error)
    assert engine.shared is not None
    return [list(engine.shared.limits), said, ids]


def test_all_processes_take_the_smaller_batch(tmp_path: Path, model_folder: Path, images: tuple[ImageRef, ...]) -> None:
    (tmp_path / "whole").mkdir(), (tmp_path / "cut").mkdir()
    whole = together(2, _generated, model_folder, images, 9, 0, False, folder=tmp_path / "whole")
    cut = together(2, _generated, model_folder, images, 1, 3, False, folder=tmp_path / "cut")
    assert cut[0][2] == whole[0][2] and len(cut[0][2]) == 32
    assert cut[0][0] == cut[1][0] and cut[0][0][0] <= 3


@pytest.mark.parametrize(("most", "bad", "said"), [(0, False, "out of memory in generation"), (99, True, "logits")])
def test_an_error_of_one_process_is_told_by_all(
    tmp_path: Path, model_folder: Path, images: tuple[ImageRef, ...], most: int, bad: bool, said: str
) -> None:
    found = together(2, _generated, model_folder, images, 1, most, bad, folder=tmp_path)
    assert all(said in text for _, text, _ in found)
