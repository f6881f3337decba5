"""Clusters of a batch of questions, for the share of its cluster that a question pays.

Ours: `visplay.rl.rewards.diversity.clusters`, the whole batch at once. The peer is what the published code of VisPlay
does: NLTK's sentence_bleu (smoothing method 1) of each pair, and scikit-learn's average linkage. The peer computes each
pair in one direction only, ours in both; the labels are compared with both. The peer is timed on fewer questions, and
its time is scaled by the number of pairs, because all questions would take it many minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from sklearn.cluster import AgglomerativeClustering

from benchmarks.paired import Result, alternate, fix_threads, parser, report
from benchmarks.questions import lab_questions
from visplay.rl.rewards.diversity import clusters

THRESHOLD = 0.5


def main() -> None:
    options = parser(__doc__, repeats=5)
    options.add_argument("--questions", type=int, default=4096, help="of the batch (default %(default)s)")
    options.add_argument("--peer-questions", type=int, default=512, help="the peer is timed on (default %(default)s)")
    args = options.parse_args()
    fix_threads(args.threads)
    texts = lab_questions(args.questions)
    some = texts[: args.peer_questions]
    check_same_clusters(some)

    def peer(_: int) -> Callable[[], object]:
        return lambda: linked(one_way_distances(some))

    seconds = alternate({"ours": lambda _: lambda: clusters(texts, THRESHOLD), "peer": peer}, args.repeats)
    scale = _pairs(len(texts)) / _pairs(len(some))
    measured = seconds["peer"]
    seconds["peer"] = [scale * spent for spent in measured]
    sizes = {"questions": len(texts), "distinct": len(set(texts)), "peer_questions": len(some)}
    details = {
        "peer_measured_seconds": measured,
        "peer_scaled_by": scale,
        "pairs": _pairs(len(texts)),
        "floor": "not counted: sparse counts, exponentials and linkage, no matrix products",
    }
    report(Result("diversity", seconds, sizes, args.threads, None, details), args.json)


def one_way_distances(texts: Sequence[str]) -> np.ndarray:
    """1 - BLEU of each pair, the later text being the reference, as the published code computes it."""
    smooth = SmoothingFunction().method1
    distances = np.zeros((len(texts), len(texts)))
    for i in range(len(texts)):
        for j in range(i + 1, len(texts)):
            score = sentence_bleu([texts[j].split()], texts[i].split(), smoothing_function=smooth)
            distances[i, j] = distances[j, i] = 1 - score
    return distances


def linked(distances: np.ndarray) -> np.ndarray:
    """Labels of average linkage."""
    model = AgglomerativeClustering(
        n_clusters=None, metric="precomputed", linkage="average", distance_threshold=THRESHOLD
    )
    return np.asarray(model.fit_predict(distances))


def check_same_clusters(texts: Sequence[str]) -> None:
    """Ours against NLTK in both directions.

    Raises:
        SystemExit: the partitions differ.
    """
    backwards = one_way_distances(texts[::-1])[::-1, ::-1]
    theirs = linked((one_way_distances(texts) + backwards) / 2)
    if _partition(theirs) != _partition(clusters(texts, THRESHOLD)):
        raise SystemExit("our clusters are not those of NLTK and scikit-learn")


def _partition(labels: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in labels}


def _pairs(count: int) -> int:
    return count * (count - 1) // 2


if __name__ == "__main__":
    main()
