"""What the ledger forgets is gone from its files, and nobody else may read them."""

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from gong_worker.ledger import DeadLetterFilter, Ledger, LedgerUnavailable, migrate, open_engine
from gong_worker.operations.dead_letters import Bulk, discard
from tests.integration.ledger.support import at, claimed, dead_letter_event

PERSON = "someone.private@example.com"


def test_nothing_of_a_discarded_payload_is_left_in_the_files(tmp_path: Path) -> None:
    """Neither SQLite's file nor its write-ahead log has the payload or Gong's words once they are deleted."""
    migrate(f"sqlite:///{tmp_path}/ledger.db")
    ledger = Ledger(open_engine(f"sqlite:///{tmp_path}/ledger.db"))
    for size in (10, 10_000):
        payload = {"viewer": {"email": PERSON}, "contentTitle": "x" * size}
        dead_letter_event(
            ledger, claimed(ledger, f"m{size}", size, payload="ab"[size > 10]), size, payload=payload
        )
    files = [file for file in tmp_path.iterdir() if file.name.startswith("ledger.db")]
    assert any(PERSON.encode() in file.read_bytes() for file in files)
    done = discard(ledger, DeadLetterFilter(), Bulk(by="ops"), reason=None)
    assert [result.result for result in done.results] == ["discarded"] * 2
    assert [file.name for file in files if PERSON.encode() in file.read_bytes()] == []
    assert ledger.counts()["dead"] == 1
    ledger.close()


def test_a_reader_does_not_fail_the_tidying(tmp_path: Path) -> None:
    """While somebody reads, the log stays as it is; afterwards it goes."""
    migrate(f"sqlite:///{tmp_path}/ledger.db")
    ledger = Ledger(open_engine(f"sqlite:///{tmp_path}/ledger.db?timeout=0.1"))
    reader = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM deliveries").fetchone()
    claimed(ledger, "m1")
    ledger.tidy()
    assert (tmp_path / "ledger.db-wal").stat().st_size > 0
    reader.close()
    ledger.tidy()
    assert (tmp_path / "ledger.db-wal").stat().st_size == 0
    ledger.close()


@pytest.mark.parametrize("umask", [0, 0o277])
def test_only_the_owner_reads_the_ledger(tmp_path: Path, umask: int) -> None:
    """Every file of a SQLite ledger is 0600 and every new folder 0700, whatever the umask."""
    before = os.umask(umask)
    try:
        migrate(f"sqlite:///{tmp_path}/a/b/ledger.db")
        ledger = Ledger(open_engine(f"sqlite:///{tmp_path}/a/b/ledger.db"))
        claimed(ledger, "m1", at(0).second)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a").rglob("*")}
        ledger.close()
    finally:
        os.umask(before)
    assert modes.pop("b") == stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700
    assert set(modes) == {"ledger.db", "ledger.db-wal", "ledger.db-shm"}
    assert set(modes.values()) == {0o600}


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A path that leads through a file is one line that names it."""
    (tmp_path / "file").touch()
    with pytest.raises(LedgerUnavailable, match=r"cannot be made at .*file/ledger.db: Not a directory"):
        migrate(f"sqlite:///{tmp_path}/file/ledger.db")
