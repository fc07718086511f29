"""Word vectors, their compressed forms and test sets, for the commands of `embed`."""

import numpy as np
import pytest

from bcq_tf.embeddings import CompressedVectors, WordVectors, compress, write_vectors

ROWS, COLUMNS = 120, 10
WORDS = [f"w{i}" for i in range(ROWS)]


class Files:
    """Vectors, their compressed forms and test sets in a folder."""

    def __init__(self, path):
        self.path = path
        rng = np.random.default_rng(0)
        self.vectors = WordVectors(WORDS, rng.standard_normal((ROWS, COLUMNS), np.float32))
        write_vectors(self / "a.txt", self.vectors)
        for method, settings in {"uniform": {"bits": 2}, "compositional": {"M": 4, "K": 8}}.items():
            codes = compress(self.vectors.matrix, method, **settings)
            CompressedVectors(WORDS, codes).save(self / f"{method}.bcq.npy")
        (path / "sets").mkdir()
        pairs = [f"w{a} w{b} {rating}\n" for a, b, rating in rng.integers(0, ROWS, (30, 3))]
        (path / "sets" / "one.txt").write_text("".join(pairs) + "w1 unknown 3\n")
        questions = [" ".join(f"w{i}" for i in four) for four in rng.integers(0, ROWS, (20, 4))]
        (path / "questions.txt").write_text(": all\n" + "\n".join(questions))

    def __truediv__(self, name: str) -> str:
        return str(self.path / name)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Files:
    return Files(tmp_path_factory.mktemp("embed"))
