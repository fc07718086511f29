"""Names and modules of a package that are imported when they are first used."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence


def lazy_names(
    package: str, home: Mapping[str, str], modules: Sequence[str] = ()
) -> tuple[Callable, Callable]:
    """The `__getattr__` and `__dir__` of a package.

    Args:
        package: its `__name__`.
        home: for each public name the module below the package that has it.
        modules: public modules below the package.
    """
    names = vars(sys.modules[package])

    def __getattr__(name: str):  # noqa: N807
        if name in modules:
            return importlib.import_module(f"{package}.{name}")  # which makes it an attribute
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        names[name] = getattr(importlib.import_module(f"{package}.{home[name]}"), name)
        return names[name]

    def __dir__():  # noqa: N807
        return sorted({*names, *home, *modules})

    return __getattr__, __dir__
