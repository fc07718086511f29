"""Bad input of `embed` is one line on stderr, and harms no file."""

import numpy as np
import pytest

from bcq_tf.embeddings import CompressedVectors, quantize_uniform


def damaged_npy(path) -> None:
    """A `.npy` file with words, of which the header is cut short."""
    text = b"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2".ljust(117) + b"\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["compress", "a.txt", "o.bcq.npy"], "required: --method"),
        (["compress", "a.txt", "o.bcq.npy", "--method", "huffman"], "invalid choice: 'huffman'"),
        (["compress", "a.txt", "o.bcq.npy", "--method", "binary"],
         "`bits` must be given with method 'binary'. Received: None"),
        (["compress", "a.txt", "o.bcq.npy", "--method", "compositional", "--M", "4"],
         "`K` must be given with method 'compositional'. Received: None"),
        (["compress", "a.txt", "o.bcq.npy", "--method", "uniform", "--bits", "2", "--M", "4"],
         "`M` must be None with method 'uniform'. Received: M=4"),
        # Said before the vectors are read: a file that is cut would be an error of its own.
        (["compress", "cut.txt", "o.bcq.npy", "--method", "uniform", "--bits", "9"],
         "`bits` must be an integer from 1 to 8. Received: bits=9"),
        (["compress", "cut.txt", "o.bcq.npy", "--method", "compositional", "--M", "-1", "--K", "4"],
         "`M` must be an integer from 1 to 8192. Received: M=-1"),
        (["compress", "cut.txt", "o.bcq.npy", "--method", "binary", "--bits", "1", "--seed", "-1"],
         "`seed` must be an integer from 0 upwards. Received: seed=-1"),
        (["compress", "a.txt", "o.bcq.npy", "--method", "compositional", "--M", "40", "--K", "16"],
         "`M` times `K` must be at most the 120 rows"),
        (["compress", "a.txt", "o.npz", "--method", "uniform", "--bits", "2"],
         "`OUT` must end with .bcq.npy. Received: o.npz"),
        (["compress", "no.txt", "o.bcq.npy", "--method", "uniform", "--bits", "2"],
         "No such file: 'no.txt'"),
        (["compress", "cut.txt", "o.bcq.npy", "--method", "uniform", "--bits", "2"],
         "'cut.txt', line 2: the file ends in the middle of the line (1 of 2 numbers)"),
        (["compress", "damaged.npy", "o.bcq.npy", "--method", "uniform", "--bits", "2"],
         "'damaged.npy' is no whole .npy file of an array: "),
        (["compare", "one.txt"], "'one.txt' must have two words at least. Received: 1"),
        (["compare", "a.txt", "--limit", "1"], "'a.txt' must have two words at least. Received: 1"),
        (["compare", "cut.txt", "--seed", "-1"], "`seed` must be an integer from 0 upwards"),
        (["compare", "cut.txt", "--M", "99", "--K", "99"], "`M` times `K` must be at most 8192"),
        (["compare", "a.txt", "--picture", "set.svg", "--wordsim", "set.svg"],
         "`--picture` must not be a file that is read. Received: set.svg"),
        (["compare", "a.txt", "--methods", "uniform,magic"],
         "argument --methods: must be of uniform, binary, compositional. Received: magic"),
        (["compare", "a.txt", "--bits", "1,9"], "`bits` must be an integer from 1 to 8. Received"),
        (["compare", "a.txt", "--wordsim", "nowhere"], "No such file: 'nowhere'"),
        (["compare", "a.txt", "--analogies", "nowhere"], "No such file: 'nowhere'"),
        (["compare", "a.txt", "--analogies", "cut.txt", "--bits", "1", "--methods", "uniform"],
         "'cut.txt', line 1: four words must stand in it"),
        (["compare", "a.txt", "--picture", "a.gif"], "`--picture` must end with .png or .svg or "),
        (["compare", "a.txt", "--limit", "0"], "--limit: must be a positive integer"),
        (["export", "a.txt", "b.txt"], "'a.txt' is not a whole bcq_tf file"),
        (["export", "uniform.bcq.npy", "b", "--format", "codes"],
         "`--format codes` must be of compositional codes. Received: 'uniform.bcq.npy' of Uniform"),
        (["export", "uniform.bcq.npy", "uniform.bcq.npy"], "`OUT` must not be a file that is read"),
        (["export", "uniform.bcq.npy", "a.bcq.npy"], "`OUT` must not end with .bcq.npy"),
        (["export", "uniform.bcq.npy", "a.npy.gz"], "`path` must not end with .gz for a .npy"),
        (["export", "uniform.bcq.npy", ""], "`OUT` must end with the name of a file. Received: ''"),
        (["export", "uniform.bcq.npy", "no/"], "`OUT` must end with the name of a file. Received"),
        (["export", "uniform.bcq.npy", "a.txt/a.txt"], "`OUT`: Is no folder: '"),
        (["export", "blanks.bcq.npy", "b.txt"], "'word2vec' takes them. Received: 'new york'"),
        (["neighbours", "one.bcq.npy", "a"], "'one.bcq.npy' must have two words at least. Rec"),
        (["neighbours", "uniform.bcq.npy", "W7x"],
         "`word` must be one of 120 words. Received: 'W7x'. Similar: 'w7'"),
        (["neighbours", "uniform.bcq.npy", "w7", "--k", "120"], "`k` must be from 1 to 119. Rec"),
        (["neighbours", "nowhere", "w7"], "No such file: 'nowhere'"),
        (["neighbours", "cut.txt", "a"], "'cut.txt', line 2: the file ends in the middle"),
        (["neighbours", "o.bcq.npy", "a"], "'o.bcq.npy' is not a whole bcq_tf file"),
        ([], "required: COMMAND"),
        (["train"], "invalid choice: 'train'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_bad_input_is_one_line(files, fail, monkeypatch, words, message):
    monkeypatch.chdir(files.path)
    (files.path / "cut.txt").write_text("a 1 2\nb 3")
    (files.path / "one.txt").write_text("a 1 2\n")
    (files.path / "set.svg").write_text("w1 w2 3\n")
    damaged_npy("damaged.npy")
    codes = quantize_uniform(np.ones((2, 2), np.float32), 1)
    CompressedVectors(["new york", "b c"], codes).save("blanks.bcq.npy")
    CompressedVectors(["a"], quantize_uniform(np.ones((1, 2), np.float32), 1)).save("one.bcq.npy")
    (files.path / "o.bcq.npy").write_bytes(b"precious")
    assert message in fail("embed", *words)
    assert (files.path / "o.bcq.npy").read_bytes() == b"precious"
