"""Training runs without graphs here (see `tests.eager`), but in tests that are marked `graphs`."""

import pytest

from tests import eager


@pytest.fixture(autouse=True)
def _eagerly(request):
    if request.node.get_closest_marker("graphs"):
        yield
        return
    with eager.eagerly():
        yield
