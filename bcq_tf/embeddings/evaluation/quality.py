"""`Quality`: what a compressed table of word vectors keeps of the float one."""

from __future__ import annotations

import dataclasses

from bcq_tf.embeddings.evaluation.fidelity import (
    distance,
    eigenspace_overlap,
    neighbour_overlap,
)
from bcq_tf.embeddings.evaluation.word_tests import (
    AnalogyScore,
    SimilarityScore,
    analogy_score,
    mean_score,
    similarity_scores,
)
from bcq_tf.embeddings.word_table import WordTable

NEIGHBOURS = 10


@dataclasses.dataclass(frozen=True)
class Quality:
    """How a table does beside the float one.

    Args:
        nbytes: of the table, without the words.
        bits_per_weight: 8 nbytes / (n D).
        mean_distance: see `Distance`.
        relative_error: see `Distance`.
        eigenspace_overlap: see `eigenspace_overlap`.
        neighbour_overlap: see `neighbour_overlap`, of 10 neighbours.
        similarity: a score for each set; None where no sets were given.
        analogies: None where no questions were given.
    """

    nbytes: int
    bits_per_weight: float
    mean_distance: float
    relative_error: float
    eigenspace_overlap: float
    neighbour_overlap: float
    similarity: tuple[SimilarityScore, ...] | None
    analogies: AnalogyScore | None

    @property
    def mean_similarity(self) -> float | None:
        """See `mean_score`."""
        return None if self.similarity is None else mean_score(self.similarity)

    def to_dict(self) -> dict:
        """JSON-able data."""
        result = dataclasses.asdict(self)
        if self.similarity is not None:
            result["mean_similarity"] = self.mean_similarity
        if self.analogies is not None:
            result["analogies"]["score"] = self.analogies.score
        return result


def measure_quality(vectors: WordTable, other: WordTable, wordsim=None, analogies=None) -> Quality:
    """The quality of `other`, for example `CompressedVectors`, beside `vectors`.

    Args:
        vectors: the float table.
        other: a table of the same words; has `nbytes`.
        wordsim: see `similarity_scores`; None to leave it out.
        analogies: see `analogy_score`; None to leave it out.

    Raises:
        ValueError: the tables do not fit together, or a file is damaged.
        OSError: a file cannot be read.
    """
    if list(vectors.words) != list(other.words):
        raise ValueError("`other` must have the words of `vectors` in order. Received: other words")
    moved = distance(vectors, other)
    return Quality(
        other.nbytes,
        8 * other.nbytes / (other.shape[0] * other.shape[1]),
        moved.mean,
        moved.relative_error,
        eigenspace_overlap(vectors, other),
        neighbour_overlap(vectors, other, min(NEIGHBOURS, len(vectors) - 1)),
        None if wordsim is None else similarity_scores(other, wordsim),
        None if analogies is None else analogy_score(other, analogies),
    )
