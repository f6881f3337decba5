"""The diversity penalty: the share of a group that is in the cluster of a question.

As in the method's published code, the distance is 1 − BLEU and the clustering uses average linkage. BLEU equals NLTK's
`sentence_bleu(…, smoothing_function=SmoothingFunction().method1)` with uniform weights on 1- to 4-grams; tokens are
`text.split()`, with case. As with NLTK, the BLEU of two equal texts with fewer than four tokens is below 1.

Shapes: G texts, D distinct ones, U distinct lengths, F distinct n-gram occurrences.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import csr_array

_LONGEST_NGRAM = 4
_EPSILON = 0.1  # NLTK's method 1: number of matches that replaces 0


def diversity(texts: Sequence[str], weight: float = 1.0, threshold: float = 0.5) -> list[float]:
    """r_div = λ · |cluster| / G of each text, in the order of `texts`; between λ/G and λ.

    Args:
        texts: the questions of an image or of a batch.
        weight: λ, at least 0.
        threshold: mean distance 1 − BLEU below which clusters merge, in (0, 1].
    Raises:
        ValueError: the weight is negative, or the threshold is outside (0, 1].
    """
    if not weight >= 0:
        raise ValueError(f"diversity weight {weight} is negative; use 0 to switch the penalty off")
    labels_G = clusters(texts, threshold)
    sizes_G = np.bincount(labels_G)[labels_G]
    return [weight * int(size) / len(texts) for size in sizes_G]


def clusters(texts: Sequence[str], threshold: float = 0.5) -> np.ndarray:
    """Cluster of each text, int64 (G,), numbered from 0 by first appearance.

    Clusters merge if their average distance is below `threshold`, as in scikit-learn's
    `AgglomerativeClustering(distance_threshold=…)`.

    Raises:
        ValueError: `threshold` is outside (0, 1].
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"diversity threshold {threshold} is not in (0, 1]; it is a distance 1 - BLEU")
    if len(texts) < 2:
        return np.zeros(len(texts), dtype=np.int64)
    rows_G, bleu_DD = _distinct(texts)
    merges = linkage(_condensed(1.0 - bleu_DD, rows_G), method="average")
    # fcluster also merges at the threshold, scikit-learn only below it.
    found_G = fcluster(merges, np.nextafter(threshold, 0.0), criterion="distance")
    _, first_G, labels_G = np.unique(found_G, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first_G))[labels_G].astype(np.int64)


def bleu_matrix(texts: Sequence[str]) -> np.ndarray:
    """Symmetric BLEU of all pairs, float64 (G, G) in [0, 1].

    Entry (i, j) is the mean of BLEU(i against j) and BLEU(j against i). A text without tokens has BLEU 0 with all
    texts, including itself.
    """
    rows_G, bleu_DD = _distinct(texts)
    return np.asarray(bleu_DD[rows_G[:, None], rows_G])


def _distinct(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The row of each text among the distinct texts, int64 (G,), and their symmetric BLEU, float64 (D, D)."""
    row_of = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    rows_G = np.array([row_of[text] for text in texts], dtype=np.int64)
    return rows_G, _distinct_bleu([text.split() for text in row_of])


def _condensed(distance_DD: np.ndarray, rows_G: np.ndarray) -> np.ndarray:
    """Distances of all pairs i < j in SciPy's condensed form, without a (G, G) matrix."""
    size = len(rows_G)
    pairs = np.empty(size * (size - 1) // 2)
    end = 0
    for i in range(size - 1):
        start, end = end, end + size - 1 - i
        pairs[start:end] = distance_DD[rows_G[i]][rows_G[i + 1 :]]
    return pairs


def _distinct_bleu(tokens: Sequence[Sequence[str]]) -> np.ndarray:
    """Symmetric BLEU of distinct texts, float64 (D, D).

    BLEU is the geometric mean of the n-gram matches, which is symmetric, times a factor of the two lengths.
    """
    size = len(tokens)
    length_D = np.array([len(words) for words in tokens], dtype=np.int64)
    log_matches_DD = np.zeros((size, size))
    no_common_word_DD = np.zeros((size, size), dtype=bool)
    # Counts are small integers, so a table has their logarithms.
    counts = np.arange(length_D.max(initial=0) + 1, dtype=np.float64)
    counts[0] = _EPSILON
    log_counts = np.log(counts)
    for n in range(1, _LONGEST_NGRAM + 1):
        matches_DD = _clipped_matches(tokens, n)
        if n == 1:
            no_common_word_DD = matches_DD == 0
        log_matches_DD += log_counts[matches_DD]
    bleu_DD: np.ndarray = np.exp(log_matches_DD / _LONGEST_NGRAM) * _length_factor(length_D)
    bleu_DD[no_common_word_DD] = 0.0
    return bleu_DD


def _length_factor(length_D: np.ndarray) -> np.ndarray:
    """Brevity penalty over the geometric mean of n-gram counts, averaged over both directions, float64 (D, D)."""
    lengths_U, of_D = np.unique(length_D, return_inverse=True)
    orders = np.arange(_LONGEST_NGRAM)
    log_ngrams_U = np.log(np.maximum(lengths_U[:, None] - orders, 1)).mean(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        brevity_UU = np.minimum(0.0, 1.0 - lengths_U[None, :] / lengths_U[:, None])
    factor_UU = np.exp(brevity_UU - log_ngrams_U[:, None])
    return np.asarray((factor_UU + factor_UU.T)[of_D[:, None], of_D] / 2)


def _clipped_matches(tokens: Sequence[Sequence[str]], n: int) -> np.ndarray:
    """Σ over n-grams of the smaller of its counts in two texts, int32 (G, G).

    Each k-th occurrence of an n-gram is a separate binary feature, so the sum of minima is a dot product.
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
