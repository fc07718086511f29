"""`read_legacy` against a plain writer of the pickled files of transformer_bcq."""

import io
import pickle

import numpy as np
import pytest

from bcq_tf import read, read_legacy, save
from bcq_tf.codes import packing
from bcq_tf.files.legacy_file import LegacyWeight
from tests.files import golden_files
from tests.files.legacy_files import dequantize, header, quantize, random_weight, write


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("num_bits", [1, 3, 8])
@pytest.mark.parametrize(
    "shape", [(8, 16), (5, 40), (8, 2, 8), (2, 3, 24), (3, 13), (4, 33), (1, 1)]
)
def test_a_quantized_weight_comes_back(tmp_path, shape, num_bits, transpose):
    fields = quantize(random_weight(num_bits, *shape), num_bits, transpose)
    write(tmp_path / "a.bcq.npy", {"layer": [fields]})
    (weight,) = read_legacy(tmp_path / "a.bcq.npy").values()
    assert (weight.shape, weight.transpose) == (shape, transpose)
    assert weight.codes.shape == tuple(fields["w_2d_shape"])
    assert weight.codes.bits == num_bits
    np.testing.assert_allclose(
        weight.reconstruct(), dequantize(fields), rtol=1e-6, atol=1e-6, err_msg=f"seed={num_bits}"
    )
    assert weight.reconstruct().dtype == np.float32


def test_codes_are_those_of_the_file_exactly(tmp_path):
    fields = quantize(random_weight(0, 6, 24))
    write(tmp_path / "a.bcq.npy", [fields])
    codes = read_legacy(tmp_path / "a.bcq.npy")["0"].codes
    signs = np.unpackbits(fields["bits"], axis=1)
    for q in range(3):
        np.testing.assert_array_equal(packing.unpack(codes.planes[q], 24), signs[:, :, q])
        np.testing.assert_array_equal(codes.scales[q][:, 0], fields["alphas"][:, q])


def test_a_whole_model_comes_back_in_order():
    weights = read_legacy(golden_files.TRANSFORMER_BCQ)
    tree = golden_files.legacy_tree()
    assert list(weights) == [f"{k}/{i}" for k, items in tree.items() for i in range(len(items))]
    for name, weight in weights.items():
        key, _, place = name.rpartition("/")
        expected = tree[key][int(place)]
        assert isinstance(weight, LegacyWeight) == isinstance(expected, dict)
        if isinstance(expected, dict):
            np.testing.assert_allclose(weight.reconstruct(), dequantize(expected), atol=1e-6)
        else:
            np.testing.assert_array_equal(weight, expected)
            assert weight.dtype == expected.dtype
            assert not weight.flags.writeable


def test_what_was_read_can_be_saved_in_the_new_format(tmp_path):
    weights = read_legacy(golden_files.TRANSFORMER_BCQ)
    save(tmp_path / "a.bcq.npy", {n: getattr(w, "codes", w) for n, w in weights.items()})
    back = read(tmp_path / "a.bcq.npy")
    np.testing.assert_array_equal(
        back["final_layer/0"].reconstruct(), weights["final_layer/0"].reconstruct().T
    )


ARRAYS = [
    np.arange(6.0).reshape(2, 3), np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.ones(()),
    np.zeros((0, 4), np.float32), np.arange(3, dtype=">i4"), np.arange(5, dtype=np.uint8),
    np.ones(2, np.float16), np.array([True, False]),
]  # fmt: skip


@pytest.mark.parametrize("protocol", [3, 4])
@pytest.mark.parametrize("array", ARRAYS, ids=repr)
def test_arrays_come_back(tmp_path, array, protocol):
    (tmp_path / "a.npy").write_bytes(header() + pickle.dumps([array], protocol))
    (back,) = read_legacy(tmp_path / "a.npy").values()
    np.testing.assert_array_equal(back, array)
    assert back.dtype == array.dtype.newbyteorder("=")


def test_lists_tuples_and_object_arrays_are_numbered(tmp_path):
    rows = np.empty(2, object)
    rows[:] = [np.zeros(1), (np.ones(2), {"a": np.ones(3)})]
    np.save(tmp_path / "a.npy", rows, allow_pickle=True)
    shapes = {name: w.shape for name, w in read_legacy(tmp_path / "a.npy").items()}
    assert shapes == {"0": (1,), "1/0": (2,), "1/1/a": (3,)}


def test_numbers_may_be_those_of_numpy(tmp_path):
    fields = quantize(random_weight(1, 4, 8))
    fields |= {"num_bits": np.int64(3), "w_orig_shape": [np.int32(4), np.uint8(8)]}
    write(tmp_path / "a.npy", {"w": fields | {"transpose": np.bool_(False)}})
    np.testing.assert_allclose(
        read_legacy(tmp_path / "a.npy")["w"].reconstruct(), dequantize(fields), atol=1e-6
    )


def test_the_reference_writer_writes_what_numpy_loads():
    stream = io.BytesIO()
    write(stream, {"layer": [quantize(random_weight(3, 2, 8))]})
    stream.seek(0)
    assert list(np.load(stream, allow_pickle=True).item()["layer"][0]) == [
        "num_bits", "transpose", "test_integrity", "w_orig_shape", "w_2d_shape", "bits", "alphas",
        "shape",
    ]  # fmt: skip
