"""How much of its group a question's cluster takes up: questions that repeat one another pay.

Distance is 1 − BLEU, clusters come from average linkage, as in the code that the method builds
on. BLEU equals NLTK's `sentence_bleu(…, smoothing_function=SmoothingFunction().method1)` with
uniform weights on 1- to 4-grams; tokens are `text.split()`, case kept. So two equal texts of
fewer than four tokens do not reach BLEU 1, as with NLTK.

Shapes: G texts, F distinct n-gram occurrences.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import csr_array
from scipy.spatial.distance import squareform

_LONGEST_NGRAM = 4
_EPSILON = 0.1  # NLTK's method 1: what an n-gram order without any match counts as


def diversity(texts: Sequence[str], weight: float = 1.0, threshold: float = 0.5) -> list[float]:
    """r_div = λ · |cluster| / G of each text, in the order of `texts`; between λ/G and λ.

    Args:
        texts: the questions compared: those of one picture, or of a whole batch.
        weight: λ, at least 0.
        threshold: mean distance 1 − BLEU below which clusters join, in (0, 1].
    Raises:
        ValueError: a negative weight or a threshold out of its bounds.
    """
    if not weight >= 0:
        raise ValueError(f"diversity weight {weight} is negative; use 0 to switch the penalty off")
    labels_G = clusters(texts, threshold)
    sizes_G = np.bincount(labels_G)[labels_G]
    return [weight * int(size) / len(texts) for size in sizes_G]


def clusters(texts: Sequence[str], threshold: float = 0.5) -> np.ndarray:
    """Cluster of each text, int64 (G,), numbered from 0 by first appearance.

    Clusters whose average distance is at or above `threshold` stay apart, as with scikit-learn's
    `AgglomerativeClustering(distance_threshold=…)`.

    Raises:
        ValueError: `threshold` is not in (0, 1].
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"diversity threshold {threshold} is not in (0, 1]; it is a distance 1 - BLEU")
    if len(texts) < 2:
        return np.zeros(len(texts), dtype=np.int64)
    distance_GG = 1.0 - bleu_matrix(texts)
    np.fill_diagonal(distance_GG, 0.0)
    merges = linkage(squareform(distance_GG, checks=False), method="average")
    # fcluster joins at the threshold too, scikit-learn only below it.
    found_G = fcluster(merges, np.nextafter(threshold, 0.0), criterion="distance")
    _, first_G, labels_G = np.unique(found_G, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first_G))[labels_G].astype(np.int64)


def bleu_matrix(texts: Sequence[str]) -> np.ndarray:
    """Symmetric BLEU of all pairs, float64 (G, G) in [0, 1].

    Entry (i, j) is the mean of BLEU(i against j) and BLEU(j against i). A text without tokens has
    BLEU 0 with everything, itself included.
    """
    tokens = [text.split() for text in texts]
    size = len(tokens)
    length_G = np.array([len(words) for words in tokens], dtype=np.float64)
    log_matches_GG = np.zeros((size, size))
    log_ngrams_G = np.zeros(size)
    no_common_word_GG = np.zeros((size, size), dtype=bool)
    for n in range(1, _LONGEST_NGRAM + 1):
        matches_GG = _clipped_matches(tokens, n)
        if n == 1:
            no_common_word_GG = matches_GG == 0
        log_matches_GG += np.log(np.where(matches_GG == 0, _EPSILON, matches_GG))
        log_ngrams_G += np.log(np.maximum(length_G - n + 1, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        brevity_GG = np.minimum(0.0, 1.0 - length_G[None, :] / length_G[:, None])
    bleu_GG = np.exp((log_matches_GG - log_ngrams_G[:, None]) / _LONGEST_NGRAM + brevity_GG)
    bleu_GG[no_common_word_GG] = 0.0
    return np.asarray((bleu_GG + bleu_GG.T) / 2)


def _clipped_matches(tokens: Sequence[Sequence[str]], n: int) -> np.ndarray:
    """Σ over n-grams of the smaller of its counts in two texts, int32 (G, G).

    The k-th occurrence of an n-gram is a feature of its own, so the sum of minima is a dot product.
    """
    column: dict[tuple[tuple[str, ...], int], int] = {}
    rows: list[int] = []
    columns: list[int] = []
    for row, words in enumerate(tokens):
        seen: Counter[tuple[str, ...]] = Counter()
        for start in range(len(words) - n + 1):
            ngram = tuple(words[start : start + n])
            columns.append(column.setdefault((ngram, seen[ngram]), len(column)))
            rows.append(row)
            seen[ngram] += 1
    ones = np.ones(len(rows), dtype=np.int32)
    has_GF = csr_array((ones, (rows, columns)), shape=(len(tokens), max(len(column), 1)))
    return np.asarray((has_GF @ has_GF.T).toarray())
