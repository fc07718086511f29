"""Training under `keras.distribution` on JAX: 4 devices of a process, and 2 processes of 2 each.

The codes and the file are those that one device gives with the same batches.
"""

import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bcq_tf
from tests.backends import only_on

ROOT = Path(__file__).resolve().parents[2]
WAYS = ["data-latent", "both", "model-latent"]
pytestmark = only_on("tensorflow")  # once, of processes of its own


def start(folder, process, processes, port, ways):
    command = [sys.executable, "-m", "tests.training.distributed", folder, process, processes]
    return subprocess.Popen(
        [*map(str, command), str(port), *ways],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """{number of processes: (folder, what each process printed)}."""
    started = {}
    for processes in (1, 2):
        folder = tmp_path_factory.mktemp("runs")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        ways = WAYS if processes > 1 else ["alone", "alone-latent", *WAYS]
        running = [start(folder, i, processes, port, ways) for i in range(processes)]
        printed = [process.communicate(timeout=300)[0] for process in running]
        assert not any(process.returncode for process in running), "\n".join(printed)
        started[processes] = folder, printed
    return started


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("way", WAYS)
def test_the_codes_are_those_of_one_device(runs, way, processes):
    folder, _ = runs[processes]
    latent = "-latent" if way.endswith("-latent") else ""
    alone = bcq_tf.read(runs[1][0] / f"alone{latent}.bcq.npy")
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
    folder, printed = runs[2]
    first, second = (dict(np.load(folder / f"{way}.{i}.npz")) for i in range(2))
    assert first.keys() == second.keys() == {"hidden/kernel", "output/kernel"}
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    assert f"saved {folder / way}.bcq.npy" in printed[0]
    assert "saved" not in printed[1]
