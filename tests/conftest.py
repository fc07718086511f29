"""Settings of the whole suite: quiet TensorFlow, which file runs when, and where."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # several tests run at once
# What XLA compiles runs once or twice.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

# A file is run by one process: those that take longest begin first.
LONGEST = (Path(__file__).parent / "longest_files.txt").read_text().split()


def pytest_configure(config):
    """The process that only hands tests out starts the others at once, without TensorFlow."""
    if config.getoption("dist", "no") == "no" or hasattr(config, "workerinput"):
        config.pluginmanager.import_plugin("tests.tensorflow_suite")


def pytest_collection_modifyitems(config, items):
    """Sorts the files, where there is more than one process for them."""
    if hasattr(config, "workerinput"):
        here = config.rootpath / "tests"
        order = {here / name: place for place, name in enumerate(LONGEST)}
        items.sort(key=lambda item: order.get(item.path, len(order)))


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_xdist_auto_num_workers(config):
    """One more process than processors: a test often waits for one that it has started."""
    return min((os.cpu_count() or 1) + 1, 4)
