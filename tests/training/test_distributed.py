"""Training under `keras.distribution` on JAX: 2 processes of 2 devices each.

The codes and the file are those that one device gives with the same batches.
"""

import numpy as np
import pytest

import bcq_tf
from tests.backends import only_on
from tests.processes import free_ports, run_together

PROCESSES = 2
WAYS = ["data-latent", "both", "model-latent"]
pytestmark = only_on("tensorflow")  # once, of processes of its own


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """(folder, what each process printed)."""
    folder = tmp_path_factory.mktemp("runs")
    (port,), ways = free_ports(1), ["alone", "alone-latent", *WAYS]
    each = [[folder, i, PROCESSES, port, *ways] for i in range(PROCESSES)]
    return folder, run_together("tests.training.distributed", each)


@pytest.mark.parametrize("way", WAYS)
def test_the_codes_are_those_of_one_device(runs, way):
    folder, _ = runs
    alone = bcq_tf.read(folder / f"alone{'-latent' if way.endswith('-latent') else ''}.bcq.npy")
    found = bcq_tf.read(folder / f"{way}.bcq.npy")
    assert found.metadata["step"] == alone.metadata["step"]
    assert found.metadata["value"] == pytest.approx(alone.metadata["value"], rel=1e-5)
    for name, tensor in alone.items():
        if isinstance(tensor, bcq_tf.BinaryCodes):
            assert [p.tobytes() for p in found[name].planes] == [p.tobytes() for p in tensor.planes]
            for one, other in zip(found[name].scales, tensor.scales, strict=True):
                np.testing.assert_array_equal(one, other)
        else:  # sums of devices come in another order
            np.testing.assert_allclose(found[name], tensor, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("way", WAYS)
def test_all_processes_have_the_same_codes_and_the_first_writes(runs, way):
    folder, printed = runs
    first, second = (dict(np.load(folder / f"{way}.{i}.npz")) for i in range(PROCESSES))
    assert first.keys() == second.keys() == {"hidden/kernel", "output/kernel"}
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    assert f"saved {folder / way}.bcq.npy" in printed[0]
    assert "saved" not in printed[1]
