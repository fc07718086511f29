"""Inputs that fuzzing starts from: small files with graphs, and text that they are made from.

python -m tests.runtime.fuzz_seeds FOLDER
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

import bcq_tf
from bcq_tf.files import container
from tests.runtime.edges import EDGES
from tests.runtime.test_graph import CHOSEN, DENSE, DOUBLED, function, node, written

MOST_BYTES = 4000


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        for number, path in enumerate(files(Path(made))):
            content = path.read_bytes()
            document, parts = container.decode(np.frombuffer(content, np.uint8))
            (folder / f"text{number}").write_bytes(as_text(document, parts))
            (folder / f"file{number}").write_bytes(content)


def files(folder: Path):
    """Paths of files, each gone when the next one is asked for."""
    for functions in ({"call": DENSE}, DOUBLED, CHOSEN):
        yield written(folder, functions)
    for operation, values, attributes, *_ in EDGES.values():
        arrays = {f"a{i}": np.asarray(value) for i, value in enumerate(values)}
        if sum(array.nbytes for array in arrays.values()) <= MOST_BYTES:
            body = function([node(operation, *arrays, **attributes)], [0], ())
            metadata = {"graph": {"version": 1, "functions": {"call": body}}}
            bcq_tf.save(folder / "one.bcq.npy", arrays, metadata)
            yield folder / "one.bcq.npy"


def as_text(document: dict, parts: dict) -> bytes:
    """What native/fuzz/fuzz.cc makes the file from again."""
    lines = [json.dumps(document[key]).encode() for key in ("weights", "metadata")]
    names = {np.dtype(dtype): name for name, dtype in container.DTYPES.items()}
    for name, array in parts.items():
        lines.append(f"{name} {names[array.dtype]} {json.dumps(list(array.shape))}".encode())
    return b"\n".join([*lines, b"", b""]) + b"".join(array.tobytes() for array in parts.values())


if __name__ == "__main__":
    main()
