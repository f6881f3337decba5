"""The model class that lmms-eval finds as `visplay`; only lmms-eval imports it, and what calls lmms-eval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from lmms_eval.api.instance import Instance
from lmms_eval.api.model import lmms
from tqdm import tqdm

from visplay.errors import EvaluationError
from visplay.evaluation.lmms.answering import Answerer, Said
from visplay.roles.open import open_reasoner
from visplay.types import Request


class VisplayModel(lmms):
    """A run's Reasoner, or any model, under lmms-eval's interface.

    A task gets the boxed answer, or the whole text where there is no box. Its own limits (`max_new_tokens`, `until`,
    `temperature`) are for models that answer at once and are not used: a Reasoner thinks first, and every answer is
    greedy and as long as the model's settings allow.

    Args:
        pretrained: a run directory, "lab", a model folder or a hub id; unused where an `answerer` is given.
        ignored: what lmms-eval hands to every model (batch size, device); ours go by their own settings.
    Attributes:
        said: the whole answers, by task and place in the task's data.
    """

    is_simple = True

    def __init__(self, pretrained: str = "lab", answerer: Answerer | None = None, **ignored: Any) -> None:
        super().__init__()
        self.answerer = answerer or Answerer.of(*open_reasoner(pretrained))
        self.said: dict[tuple[str, int], Said] = {}

    def generate_until(self, requests: Sequence[Instance]) -> list[str]:
        """See `lmms.generate_until`."""
        answers = self.answerer.answers(self._request(request) for request in requests)
        handed = []
        for request, said in zip(requests, tqdm(answers, total=len(requests), desc="Answering"), strict=True):
            _, _, _, item, task, _ = request.args
            self.said[task, item] = said
            handed.append(said.text if said.given is None else said.given)
        return handed

    def _request(self, asked: Instance) -> Request:
        text, _, visuals, item, task, split = asked.args
        return self.answerer.request(task, item, text, visuals(self.task_dict[task][split][item]) or ())

    def loglikelihood(self, requests: Sequence[Instance]) -> NoReturn:
        """Refused with an EvaluationError."""
        raise EvaluationError("visplay answers in text; tasks that compare likelihoods are not supported")

    def generate_until_multi_round(self, requests: Any) -> NoReturn:
        """Refused with an EvaluationError."""
        raise EvaluationError("visplay answers a question once; tasks of several rounds are not supported")
