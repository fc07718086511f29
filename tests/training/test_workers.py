"""A loop of one's own under MultiWorkerMirroredStrategy: 2 workers, each a process.

The codes and the file are those of one process without a strategy, given the same batches.
"""

import numpy as np
import pytest

import bcq_tf
from tests.backends import only_on
from tests.processes import free_ports, run_together

MODULE, WAYS = "tests.training.workers", ["projection", "latent"]
pytestmark = only_on("tensorflow")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """(folder of the workers, what each printed, folder of one process)."""
    folder, alone = tmp_path_factory.mktemp("workers"), tmp_path_factory.mktemp("alone")
    ports = ",".join(map(str, free_ports(2)))
    printed = run_together(MODULE, [[folder, worker, ports, *WAYS] for worker in range(2)])
    run_together(MODULE, [[alone, 0, "0", *WAYS]])
    return folder, printed, alone


@pytest.mark.parametrize("way", WAYS)
def test_the_file_is_that_of_one_process(runs, way):
    folder, _, alone = runs
    found, wanted = (bcq_tf.read(each / f"{way}.bcq.npy") for each in (folder, alone))
    assert found.metadata["step"] == wanted.metadata["step"]
    assert found.metadata["value"] == pytest.approx(wanted.metadata["value"], rel=1e-5)
    for name, tensor in wanted.items():
        if isinstance(tensor, bcq_tf.BinaryCodes):
            assert [p.tobytes() for p in found[name].planes] == [p.tobytes() for p in tensor.planes]
            np.testing.assert_array_equal(found[name].scales, tensor.scales)
        else:  # sums of replicas come in another order
            np.testing.assert_allclose(found[name], tensor, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("way", WAYS)
def test_all_workers_have_the_same_codes_and_the_first_writes(runs, way):
    folder, printed, _ = runs
    first, second = (dict(np.load(folder / f"{way}.{worker}.npz")) for worker in range(2))
    assert first.keys() == second.keys() == {"hidden/kernel", "output/kernel"}
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    assert f"saved {folder / way}.bcq.npy" in printed[0]
    assert "saved" not in printed[1]
