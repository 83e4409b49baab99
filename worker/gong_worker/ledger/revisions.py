"""The revisions of the schema that this version knows."""

from pathlib import Path

import gong_worker
from gong_worker.ledger.errors import LedgerError


def scripts_path() -> Path:
    """Where the migrations are: in the installed package, or at the top of the checkout."""
    package = Path(gong_worker.__file__).resolve().parent
    for folder in (package / "migrations", package.parents[1] / "migrations"):
        if (folder / "env.py").is_file():
            return folder
    raise LedgerError("the migrations are missing from this installation: install gong-views again")


def known_revisions() -> list[str]:
    """The revisions of this version, oldest first: each migration's file begins with its number."""
    return sorted(path.name.partition("_")[0] for path in (scripts_path() / "versions").glob("[0-9]*.py"))
