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
from scipy.spatial.distance import squareform

_LONGEST_NGRAM = 4
_EPSILON = 0.1  # NLTK's method 1: number of matches that replaces 0


def diversity(texts: Sequence[str], weight: float = 1.0, threshold: float = 0.5) -> list[float]:
    """r_div = λ · |cluster| / G of each text of an image or a batch; `weight` is λ, see `clusters` for `threshold`."""
    labels_G = clusters(texts, threshold)
    sizes_G = np.bincount(labels_G)[labels_G]
    return [weight * int(size) / len(texts) for size in sizes_G]


def clusters(texts: Sequence[str], threshold: float = 0.5) -> np.ndarray:
    """Cluster of each text, int64 (G,), numbered from 0 by first appearance.

    Clusters merge if their mean distance 1 − BLEU is below `threshold`, in (0, 1], as in scikit-learn's
    `AgglomerativeClustering(distance_threshold=…)`.
    """
    if len(texts) < 2:
        return np.zeros(len(texts), dtype=np.int64)
    merges = linkage(squareform(1.0 - bleu_matrix(texts), checks=False), method="average")
    # fcluster also merges at the threshold, scikit-learn only below it.
    found_G = fcluster(merges, np.nextafter(threshold, 0.0), criterion="distance")
    _, first_G, labels_G = np.unique(found_G, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first_G))[labels_G].astype(np.int64)


def bleu_matrix(texts: Sequence[str]) -> np.ndarray:
    """Symmetric BLEU of all pairs, float64 (G, G) in [0, 1].

    Entry (i, j) is the mean of BLEU(i against j) and BLEU(j against i). A text without tokens has BLEU 0 with all
    texts, including itself.
    """
    row_of = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    rows_G = np.array([row_of[text] for text in texts], dtype=np.int64)
    bleu_DD = _distinct_bleu([text.split() for text in row_of])
    return np.asarray(bleu_DD[rows_G[:, None], rows_G])


def _distinct_bleu(tokens: Sequence[Sequence[str]]) -> np.ndarray:
    """Symmetric BLEU of distinct texts, float64 (D, D).

    BLEU is the geometric mean of the n-gram matches, which is symmetric, times a factor of the two lengths.
    """
    length_D = np.array([len(words) for words in tokens], dtype=np.int64)
    # Counts are small integers, so a table has their logarithms.
    log_counts = np.log(np.maximum(np.arange(length_D.max(initial=0) + 1), _EPSILON))
    matches = [_clipped_matches(tokens, n) for n in range(1, _LONGEST_NGRAM + 1)]
    log_matches_DD = np.zeros((len(tokens), len(tokens)))
    for matches_DD in matches:
        log_matches_DD += log_counts[matches_DD]
    bleu_DD: np.ndarray = np.exp(log_matches_DD / _LONGEST_NGRAM) * _length_factor(length_D)
    bleu_DD[matches[0] == 0] = 0.0
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
