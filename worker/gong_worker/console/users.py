"""The console's users: names, roles, and argon2 hashes of their passwords, in a file that its owner alone may read."""

import json
import os
import re
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gong_views.errors import GongViewsError

MIN_PASSWORD: Final = 12
MAX_PASSWORD: Final = 1_000
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}")
_hasher: Final = PasswordHasher()  # argon2id with the library's parameters, which follow RFC 9106
# Of nobody's password: a login with a name that does not exist takes as long as any other.
_NOBODY: Final = _hasher.hash(os.urandom(16).hex())


class UsersProblem(GongViewsError):
    """The file of users cannot be used, or a name or password not be taken; the text says what to do."""


class Role(StrEnum):
    """What a user may do."""

    VIEWER = "viewer"
    """Look at everything but payloads and Gong's words about them, unless granted."""
    OPERATOR = "operator"
    """Everything."""


@dataclass(frozen=True, slots=True)
class User:
    """A user. `password_hash` None: a trusted proxy signs them in, no password does."""

    name: str
    role: Role
    payloads: bool = False
    password_hash: str | None = field(default=None, repr=False)

    @property
    def operates(self) -> bool:
        """Whether the user may change anything."""
        return self.role is Role.OPERATOR

    @property
    def sees_payloads(self) -> bool:
        """Whether the user may see what may name a person."""
        return self.payloads or self.operates


class Users:
    """The file. Every read looks whether it has changed, so that a removed user is gone at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int, int] | None = None
        self._users: Mapping[str, User] = {}

    def all(self) -> Mapping[str, User]:
        """Every user by name; raises UsersProblem."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            self._seen, self._users = None, {}
            return self._users
        except OSError as error:
            raise UsersProblem(f"cannot read {self.path}: {error.strerror}") from None
        seen = (found.st_ino, found.st_mtime_ns, found.st_size)
        if seen != self._seen:
            if stat.S_IMODE(found.st_mode) & 0o027:
                raise UsersProblem(
                    f"{self.path} can be read or changed by others than its owner: chmod 600 {self.path}"
                )
            self._users, self._seen = _read(self.path), seen
        return self._users

    def get(self, name: str) -> User | None:
        """The user of that name, None if there is none; raises UsersProblem."""
        return self.all().get(name)

    def add(self, user: User) -> None:
        """Write a user, in place of one of the same name. Raises UsersProblem."""
        if not _NAME.fullmatch(user.name):
            raise UsersProblem(
                f"{user.name!r} is no name of a user: letters, digits and . _ @ + - only, 100 at most"
            )
        self._write({**self.all(), user.name: user})

    def remove(self, name: str) -> None:
        """Take a user away, and with it every session. Raises UsersProblem if there is none."""
        users = dict(self.all())
        if users.pop(name, None) is None:
            raise UsersProblem(f"there is no user {name!r} in {self.path}")
        self._write(users)

    def verified(self, name: str, password: str) -> User | None:
        """The user if name and password are right. Takes a while, as a check of a password should."""
        user = self.get(name)
        known = user is not None and user.password_hash is not None
        right = _matches(user.password_hash if user is not None and user.password_hash else _NOBODY, password)
        return user if known and right else None

    def _write(self, users: Mapping[str, User]) -> None:
        rows = {
            name: {key: value for key, value in asdict(user).items() if key != "name"}
            for name, user in users.items()
        }
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Made with mode 0600, and put in place in one step.
            descriptor, made = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump({"users": rows}, file, indent=2)
                file.flush()
                os.fsync(file.fileno())
            Path(made).replace(self.path)
        except OSError as error:
            raise UsersProblem(f"cannot write {self.path}: {error.strerror}") from None


def hash_password(password: str) -> str:
    """The argon2 hash of a password; raises UsersProblem for one that is too short or too long."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise UsersProblem(
            f"the password has {len(password)} characters: give one of {MIN_PASSWORD} to {MAX_PASSWORD}"
        )
    return _hasher.hash(password)


def _matches(password_hash: str, password: str) -> bool:
    try:
        return len(password) <= MAX_PASSWORD and _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def _read(path: Path) -> dict[str, User]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["users"]
        return {
            name: User(name, Role(row["role"]), bool(row["payloads"]), row["password_hash"])
            for name, row in rows.items()
        }
    except OSError as error:
        raise UsersProblem(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UsersProblem(
            f"{path} is no file of users: make one with `gong-views console-user add`"
        ) from None
