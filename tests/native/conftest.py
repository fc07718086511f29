"""Every test that takes `library` runs on each instruction set that this processor has."""

import os

import pytest

from bcq_tf import native
from tests.native import core


@pytest.fixture(scope="session")
def libraries(tmp_path_factory):
    """The core by instruction set."""
    if not (native.FOLDER / f"lib{native.CORE}.so").exists():
        if os.environ.get("BCQ_TF_NATIVE") == "require":
            pytest.fail("the core is missing: make native")
        pytest.skip("make native")
    folder = tmp_path_factory.mktemp("core")
    loaded = {isa: core.load(isa, folder) for isa in core.compiled_isas()}
    return {isa: library for isa, library in loaded.items() if library is not None}


@pytest.fixture(params=core.compiled_isas())
def library(libraries, request):
    """The core with one of the instruction sets."""
    if request.param not in libraries:
        pytest.skip(f"this processor lacks {request.param}")
    return libraries[request.param]
