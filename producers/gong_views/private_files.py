"""Files and folders that only their owner may read, whatever the umask: they hold names and addresses."""

import os
from pathlib import Path


def make_private_folder(folder: Path) -> None:
    """Make the folder and its missing parents with mode 0700; one that exists keeps its mode. Raises OSError."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            continue  # made by another process in between
        path.chmod(0o700)
    if missing and not missing[0].is_dir():
        raise NotADirectoryError(20, "Not a directory", str(missing[0]))


def open_private(path: Path, flags: int) -> int:
    """`os.open`; a file that this makes has mode 0600, one that exists keeps its mode. Raises OSError."""
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return os.open(path, (flags & ~os.O_EXCL) | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


def make_private_file(path: Path) -> None:
    """Make an empty file with mode 0600 unless the path exists. Raises OSError."""
    os.close(open_private(path, os.O_RDWR))
