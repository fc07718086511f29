"""What the program that will run a traced function has no operations for."""

from __future__ import annotations

import contextlib
import contextvars

BITWISE = "operations on bits"
GATHER_HALF = "gathers of float16"
_lacking = contextvars.ContextVar("bcq_tf_lacking", default=())


@contextlib.contextmanager
def lacking(*operations: str):
    """Within this context ops do without `operations`, as do those of functions traced in it."""
    token = _lacking.set(operations)
    try:
        yield
    finally:
        _lacking.reset(token)


def lacks(operation: str) -> bool:
    """Whether ops must do without `operation`."""
    return operation in _lacking.get()
