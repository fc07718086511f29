"""What each process that runs tests sets up: two virtual CPUs, seeds, graphs where they count."""

import gc
from unittest import mock

import keras
import pytest
import tensorflow as tf
from tensorflow.python import pywrap_tfe

from tests import eager
from tests.ops.codes import runs_on

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


def pytest_collection_finish(session):
    """What is imported stays: it is not looked through again and again for what is garbage."""
    gc.collect()
    gc.freeze()


def kernels_stay():
    """A context in which TensorFlow keeps its kernels: to make one takes longer than to run it."""
    return mock.patch.object(pywrap_tfe, "TFE_ContextClearCaches")


@pytest.fixture(autouse=True)
def _seeded():
    """Every test starts from seed 0; one that needs another says so."""
    with kernels_stay():
        keras.utils.set_random_seed(0)
        yield
        keras.backend.clear_session(free_memory=False)


@pytest.fixture(scope="module", autouse=True)
def _kernels_go():
    """Those of a file end with it."""
    yield
    keras.backend.clear_session(free_memory=False)


@pytest.fixture(autouse=True)
def _graphs_as_they_are_traced(request):
    """TensorFlow rewrites graphs in the tests of ops, layers and exports alone: it takes long."""
    keep = request.path.parent.name in ("ops", "layers", "export")
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": not keep})


@pytest.fixture
def eagerly():
    """See `tests.eager`."""
    with eager.eagerly():
        yield


@pytest.fixture(autouse=True)
def _graphs_where_they_count(request):
    """Whole models run eagerly, but in tests that are marked `graphs`."""
    folder = request.path.relative_to(request.config.rootpath / "tests").parts[0]
    if folder in ("training", "models") and not request.node.get_closest_marker("graphs"):
        request.getfixturevalue("eagerly")


@pytest.fixture(params=["compiled", "portable"])
def ops(request):
    """Which ops run in this test: the compiled ones, and then the plain TensorFlow ones."""
    from bcq_tf.ops import engine

    if request.param == "compiled" and not engine.library():
        pytest.skip("the compiled ops are not loaded")
    with runs_on(request.param):
        yield request.param
