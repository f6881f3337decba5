"""Diversity equals NLTK's BLEU (method 1) with scikit-learn's average linkage."""

from __future__ import annotations

import random

import numpy as np
import pytest
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from sklearn.cluster import AgglomerativeClustering

from visplay.rl.rewards.diversity import bleu_matrix, clusters

SUBJECTS = ["ball", "cube", "cat", "dog", "red ball", "small car"]
TEMPLATES = [
    "what color is the {a}",
    "how many {a} are to the left of the {b}",
    "is the {a} bigger than the {b} in the image",
    "What is the {a} doing next to the {b} and the {b}",
    "{a}",
    "the {a} the {a} the {b}",
    "where is the {a}",
    "",
]


def questions(seed: int, count: int) -> list[str]:
    draw = random.Random(seed)
    return [draw.choice(TEMPLATES).format(a=draw.choice(SUBJECTS), b=draw.choice(SUBJECTS)) for _ in range(count)]


def nltk_matrix(texts: list[str]) -> np.ndarray:
    tokens = [text.split() for text in texts]
    smooth = SmoothingFunction().method1
    bleu = np.array([[sentence_bleu([ref], hyp, smoothing_function=smooth) for ref in tokens] for hyp in tokens])
    return (bleu + bleu.T) / 2


def partition(labels: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in labels}


@pytest.mark.parametrize("seed", range(12))
def test_equals_nltk_and_scikit_learn(seed: int) -> None:
    texts = questions(seed, 8 if seed else 40)
    expected = nltk_matrix(texts)
    np.testing.assert_allclose(bleu_matrix(texts), expected, atol=1e-12)
    distance = 1 - expected
    np.fill_diagonal(distance, 0)
    model = AgglomerativeClustering(
        n_clusters=None, metric="precomputed", linkage="average", distance_threshold=0.5
    ).fit(distance)
    assert partition(clusters(texts, 0.5)) == partition(model.labels_)
