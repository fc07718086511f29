"""`UniformEmbedding`: what it has beside other embeddings of codes."""

import keras
import numpy as np
import pytest

import bcq_tf
from bcq_tf.embeddings import quantize_uniform
from bcq_tf.layers import BCQEmbedding, UniformEmbedding
from tests.layers.tables import COLUMNS, ROWS, random_table


@pytest.mark.parametrize("zeros", [(), (0, 33)])
@pytest.mark.parametrize("bits", range(1, 9))
def test_its_bytes_and_codes(bits, zeros):
    codes = quantize_uniform(random_table(zeros=zeros), bits)
    layer = UniformEmbedding.from_codes(codes)
    arithmetic = ROWS * -(-COLUMNS * bits // 8)
    assert arithmetic < layer.nbytes <= arithmetic + 8 + bool(zeros) * -(-ROWS // 8)
    again = layer.codes
    assert (again.limit, again.bits, again.columns) == (codes.limit, bits, COLUMNS)


def test_rows_of_zeros_stay_zero():
    layer = UniformEmbedding.from_codes(quantize_uniform(random_table(zeros=[0]), 2))
    rows = layer(np.array([[0, 3, 0]])).numpy()
    assert not rows[0, [0, 2]].any()
    assert rows[0, 1].all()


@pytest.mark.parametrize("kind", [UniformEmbedding, BCQEmbedding])
def test_saving_and_loading_make_no_float_table(kind, tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(kind, "float_value", lambda layer, name, dtype=None: made.append(name))
    solve = quantize_uniform if kind is UniformEmbedding else bcq_tf.quantize
    layer = kind.from_codes(solve(random_table(), 2))
    keras.Sequential([keras.Input((7,), dtype="int32"), layer]).save(tmp_path / "model.keras")
    keras.saving.load_model(tmp_path / "model.keras")
    assert not made
    _ = layer.embeddings
    assert made == ["embeddings"]


def test_bad_codes_are_refused():
    codes = quantize_uniform(random_table(), 2)
    layer = UniformEmbedding.from_codes(codes)
    with_zeros = quantize_uniform(random_table(zeros=[1]), 2)
    for other in (quantize_uniform(random_table(), 3), with_zeros):
        with pytest.raises(ValueError, match="`codes` must be those of UniformWeight.* Received"):
            layer.assign_codes("embeddings", other)
    with pytest.raises(TypeError, match="`codes` must be UniformCodes. Received: BinaryCodes"):
        UniformEmbedding.from_codes(bcq_tf.quantize(random_table(), 1))
    with pytest.raises(TypeError, match="`codes` must be BinaryCodes. Received: UniformCodes"):
        BCQEmbedding.from_codes(codes)
    with pytest.raises(ValueError, match="`trainable_scales` must be False with UniformCodes"):
        UniformEmbedding.from_codes(codes, trainable_scales=True)
    with pytest.raises(ValueError, match=r"`name` must be one of \['embeddings'\]. Received: bias"):
        layer.assign_codes("bias", codes)
    with pytest.raises(TypeError, match="`codes` must be BinaryCodes, .* Received: ndarray"):
        layer.assign_codes("embeddings", random_table())
    with pytest.raises(ValueError, match="`codes` must be those of UniformWeight.* BinaryWeight"):
        layer.assign_codes("embeddings", bcq_tf.quantize(random_table(), 2))
    weight = layer.packed_weights["embeddings"].to_dict() | {"bits": 9}
    with pytest.raises(ValueError, match="`bits` must be an integer from 1 to 8. Received: bits=9"):
        UniformEmbedding(ROWS, COLUMNS, packed_weights={"embeddings": weight})
    with pytest.raises(ValueError, match="must not be packed to have LoRA"):
        layer.enable_lora(2)
