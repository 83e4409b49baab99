"""A package's names, loaded when they are first asked for: who needs one of them does not wait for all."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from threading import RLock
from typing import Any


def lazy_names(
    package: str, homes: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and the `__dir__` of a package whose modules (`homes`) define these names.

    These modules are found as well, as they were when the package imported them.
    """
    home_of = {name: home for home, names in homes.items() for name in names}
    # A fork waits for it: in the child nobody would end what a thread of the parent was importing, and all would wait.
    # One for each package: a module of one that another thread imports may be waiting for a name of the other.
    loading = RLock()
    os.register_at_fork(
        before=loading.acquire, after_in_parent=loading.release, after_in_child=loading.release
    )

    def load(name: str) -> Any:
        if name not in home_of and name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with loading:
            module = import_module(f"{package}.{home_of.get(name, name)}")
        value = getattr(module, name) if name in home_of else module
        setattr(sys.modules[package], name, value)  # the next time it is found without this function
        return value

    return load, lambda: sorted({*vars(sys.modules[package]), *home_of})
