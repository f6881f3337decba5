"""The model class that lmms-eval finds as `visplay`; only lmms-eval imports it, and what calls lmms-eval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from lmms_eval.api.instance import Instance
from lmms_eval.api.model import lmms
from tqdm import tqdm

from visplay.errors import EvaluationError
from visplay.evaluation.lmms.answering import Answerer, Asked, Said
from visplay.evaluation.lmms.local import WHOLE_TEXT
from visplay.roles.open import open_reasoner


class VisplayModel(lmms):
    """A run's Reasoner, or any model, under lmms-eval's interface.

    A task is told the boxed answer, or the whole text where there is no box. Its own limits (`max_new_tokens`,
    `until`, `temperature`) are for models that answer at once and are not used: a Reasoner thinks first, and every
    answer is greedy and as long as the model's settings allow.

    Args:
        pretrained: a run directory, "lab", a model folder or a hub id; not looked at where an `answerer` is given.
        batch_size, max_batch_size, device: what lmms-eval hands to every model; ours go by their own settings.

    Attributes:
        said: the whole answers, by task and place in the task's data.
    """

    is_simple = True

    def __init__(
        self,
        pretrained: str = "lab",
        batch_size: int | str | None = None,
        max_batch_size: int | None = None,
        device: str | None = None,
        answerer: Answerer | None = None,
    ) -> None:
        super().__init__()
        self.answerer = answerer or Answerer.of(*open_reasoner(pretrained))
        self.said: dict[tuple[str, int], Said] = {}

    def generate_until(self, requests: Sequence[Instance]) -> list[str]:
        """See `lmms.generate_until`."""
        answers = self.answerer.answers(self._asked(requests))
        handed = []
        for request, said in zip(requests, tqdm(answers, total=len(requests), desc="Answering"), strict=True):
            _, limits, _, item, task, _ = request.args
            self.said[task, item] = said
            whole = said.given is None or limits.get(WHOLE_TEXT, False)
            handed.append(said.text if whole else said.given)
        return handed

    def _asked(self, requests: Sequence[Instance]) -> Iterator[Asked]:
        for request in requests:
            text, _, visuals, item, task, split = request.args
            yield Asked(task, item, text, tuple(visuals(self.task_dict[task][split][item]) or ()))

    def loglikelihood(self, requests: Sequence[Instance]) -> NoReturn:
        """Not supported.

        Raises:
            EvaluationError: always.
        """
        raise EvaluationError("visplay answers in text; tasks that compare likelihoods are not supported")

    def generate_until_multi_round(self, requests: Any) -> NoReturn:
        """Not supported.

        Raises:
            EvaluationError: always.
        """
        raise EvaluationError("visplay answers a question once; tasks of several rounds are not supported")
