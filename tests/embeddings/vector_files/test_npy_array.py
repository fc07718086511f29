"""`open_array`: an array, or one line that names the file, whatever is in it."""

import io

import numpy as np
import pytest

from bcq_tf.embeddings.vector_files.array import open_array

ARRAY = np.arange(6, dtype=np.float32).reshape(3, 2)


class OwnError(ValueError):
    """The error of a caller."""


def saved(**arrays) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays) if arrays else np.save(file, ARRAY)
    return file.getvalue()


def with_header(text: str) -> bytes:
    """A file of `ARRAY` whose header has this text."""
    text = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + ARRAY.tobytes()


def with_shape(shape: str) -> bytes:
    return with_header(f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}")


DAMAGED = {
    "empty": b"",
    "text": b"the 1 2\n",
    "npz": saved(a=ARRAY),
    "cut npz": saved(a=ARRAY)[:50],
    "cut array": saved()[:-1],
    "cut header": saved()[:60],
    "open bracket": with_shape("(3, 2"),
    "open brackets": with_header("{'descr': '<f4', 'shape': (3, 2"),
    "indented": with_header("  {\n 'descr'\n:"),
    "no dict": with_header("3"),
    "a program": with_header("__import__('os').abort()"),
    "no such dtype": with_header("{'descr': 'zz', 'fortran_order': False, 'shape': (3, 2), }"),
    "objects": with_header("{'descr': '|O', 'fortran_order': False, 'shape': (3, 2), }"),
    "a bool in the shape": with_shape("(True, 2)"),
    "a negative shape": with_shape("(-3, 2)"),
    "more than the file": with_shape("(4, 2)"),
    "terabytes": with_shape("(1000000000000, 2)"),
    "a size beyond int64": with_shape("(4294967296, 4294967296)"),
    "a number beyond int64": with_shape("(3, 99999999999999999999999)"),
}


def test_an_array_is_mapped_and_read_only(tmp_path):
    (tmp_path / "a.npy").write_bytes(saved())
    array = open_array(str(tmp_path / "a.npy"), OwnError)
    np.testing.assert_array_equal(array, ARRAY)
    assert isinstance(array, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", DAMAGED)
def test_damage_is_one_line_that_names_the_file(tmp_path, kind):
    path = tmp_path / "a.npy"
    path.write_bytes(DAMAGED[kind])
    with pytest.raises(OwnError) as raised:
        open_array(str(path), OwnError)
    assert str(raised.value).startswith(f"'{path}' is no whole .npy file of an array: ")
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < len(str(path)) + 200


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_array(str(tmp_path / "a.npy"), OwnError)
    with pytest.raises(IsADirectoryError):
        open_array(str(tmp_path), OwnError)
