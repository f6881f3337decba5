from __future__ import annotations

import random
import time

import numpy as np

from visplay.rl.rewards.diversity import bleu_matrix, clusters, diversity

RED = "what color is the small ball on the left"
ALIKE = [RED, "what color is the small ball on the right", "what color is the small ball on the left side"]
OTHER = "how many dogs can be seen in this image"


def test_paraphrases_share_a_cluster_and_pay_for_it() -> None:
    assert clusters([ALIKE[0], OTHER, *ALIKE[1:]]).tolist() == [0, 1, 0, 0]
    assert diversity([ALIKE[0], OTHER, *ALIKE[1:]]) == [0.75, 0.25, 0.75, 0.75]


def test_extremes() -> None:
    assert diversity([RED] * 8) == [1.0] * 8
    assert diversity([f"q{i} w{i} e{i} r{i}" for i in range(8)]) == [0.125] * 8
    assert diversity([RED] * 4, weight=0.5) == [0.5] * 4
    assert diversity([RED]) == [1.0]
    assert diversity([]) == []
    assert diversity(["", "", ""]) == [1 / 3] * 3


def test_order_of_texts_does_not_matter() -> None:
    texts = [*ALIKE, OTHER, OTHER]
    shares = dict(zip(texts, diversity(texts), strict=True))
    assert dict(zip(texts[::-1], diversity(texts[::-1]), strict=True)) == shares


def test_bleu_is_symmetric_and_one_for_equal_texts() -> None:
    bleu = bleu_matrix([*ALIKE, OTHER, ""])
    assert bleu.dtype == np.float64
    assert np.array_equal(bleu, bleu.T)
    assert np.allclose(np.diag(bleu), [1, 1, 1, 1, 0])
    assert ((bleu >= 0) & (bleu <= 1 + 1e-12)).all()


def test_a_thousand_questions_take_seconds() -> None:
    draw = random.Random(0)
    words = [f"w{i}" for i in range(60)]
    texts = [" ".join(draw.choices(words, k=12)) for _ in range(1000)]
    started = time.process_time()
    diversity(texts)
    assert time.process_time() - started < 10
