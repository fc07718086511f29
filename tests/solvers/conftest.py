"""The solvers are tested twice: compiled and in NumPy."""

import os

import pytest

from bcq_tf import native

MODES = {"numpy": "0", "compiled": "require"}


@pytest.fixture(params=MODES)
def code(request, monkeypatch):
    """Which code solves; the compiled one is left out where it was not built or required."""
    required = os.environ.get("BCQ_TF_NATIVE") == "require"
    if request.param == "compiled" and not required and native.status().isa is None:
        pytest.skip("needs `make native`")
    monkeypatch.setenv("BCQ_TF_NATIVE", MODES[request.param])
    native.forget()
    yield request.param
    native.forget()
