"""Every test that takes `ops` runs twice: on the compiled ops and on the plain TensorFlow ones."""

import pytest

from bcq_tf.ops import compiled
from tests.ops.codes import runs_on


@pytest.fixture(params=["compiled", "portable"])
def ops(request):
    """Which ops run in this test."""
    if request.param == "compiled" and not compiled.available():
        pytest.skip("the compiled ops are not loaded")
    with runs_on(request.param):
        yield request.param
