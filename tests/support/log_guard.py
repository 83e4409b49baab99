"""Looks for the fixtures' personal data, payloads and secrets in every log that the suite's processes write.

A process started by `tests.support.processes` is watched from its start, and what it was given as a secret in its
variables is looked for as well. So are the logs of Valkey and PostgreSQL, records of this process, and what a command
says: all of standard error, and its own secrets on standard output. `tests/conftest.py` asks after each test.
"""

import base64
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gong_worker.logs import formatter

# What the fixtures and the demo put into events, and what they sign with.
FIXTURE_VALUES: Mapping[str, str] = {
    "an e-mail address": r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}",
    "a person's name": r"\b(?:Dana|Scully|Whitfield|Sam Porter|Reader \d+|Дана)\b",
    "a title": r"Pricing overview|pricing overview 2026|Buyer of Globex|Guide \d+\b",
    "an address of the content": r"https?://content\.example/",
    # As the simulator's authorisation server makes them: 32 random bytes. A login prints an address with a state and a
    # challenge, for its user to open.
    "a token": r"(?<![\w-])(?<!\bstate=)(?<!\bcode_challenge=)"
    r"(?=[\w-]*[A-Z])(?=[\w-]*[a-z])(?=[\w-]*\d)[\w-]{43}(?![\w-])",
    "a secret": "|".join(
        map(
            re.escape,
            (
                "sim-secret",
                "sim-client-secret",
                base64.b64encode(b"sim-key:sim-secret").decode(),
                "a long enough password",
                "hunter2",
                "hush",
            ),
        )
    ),
}
# Variables that hold a secret, and the password of a URL in any other.
SECRET_NAME = re.compile(r"SECRET|TOKEN|PASSWORD|_KEYS$|OAUTH_KEY$")
URL_PASSWORD = re.compile(r"://[^/@\s:]*:([^/@\s]+)@")
KEY_OF_LIST = re.compile(r":([^,:]+)")
# The example in the help texts.
HELP_ADDRESS = "like someone@example.com"
# Shorter ones are words like any other.
SHORTEST_SECRET = 6
ACTION = re.compile(r'\baction"?[=:] ?"?([\w.]+)')


@dataclass(frozen=True)
class Finding:
    """One value that is in a log."""

    place: str
    action: str
    kind: str
    value: str

    def __str__(self) -> str:
        return f"{self.place}: the line of action {self.action} holds {self.kind}: {self.value!r}"


@dataclass
class _Watched:
    path: Path
    secrets: frozenset[str]
    read: int = 0


@dataclass
class LogGuard:
    """The logs watched, and what was found in them and not told yet."""

    watched: list[_Watched] = field(default_factory=list)
    found: list[Finding] = field(default_factory=list)

    def watch(self, path: Path, environment: Mapping[str, str]) -> None:
        """Look at what is written to a file from now on."""
        size = path.stat().st_size if path.exists() else 0
        secrets = frozenset(secrets_of(environment))
        self.watched.append(_Watched(path, secrets, size))

    def look(self, *, ended: Path | None = None) -> None:
        """Read what is new in every file, or in that of a process that has ended, for the last time."""
        for one in [one for one in self.watched if ended in (None, one.path)]:
            try:
                with one.path.open("rb") as file:
                    file.seek(one.read)
                    new = file.read()
            except FileNotFoundError:  # with the folder of its test
                self.watched.remove(one)
                continue
            # A line that is being written is read with its rest.
            whole = len(new) if ended else new.rfind(b"\n") + 1
            one.read += whole
            self.found += findings(one.path.name, new[:whole].decode(errors="replace"), one.secrets)
            if ended:
                self.watched.remove(one)

    def said(self, command: str, environment: Mapping[str, str], *, stdout: str, stderr: str) -> None:
        """Look at what a command said. On standard output it may show a person, and secrets but its own."""
        secrets = frozenset(secrets_of(environment))
        self.found += findings(f"standard error of {command}", stderr.replace(HELP_ADDRESS, ""), secrets)
        self.found += findings(f"standard output of {command}", stdout, secrets, fixtures={})

    def told(self) -> list[Finding]:
        """What was found since the last time this was asked."""
        self.look()
        found, self.found = self.found, []
        return found


class RecordGuard(logging.Handler):
    """Looks at the records of this process: ours as we write them, the library's with all that they carry."""

    def __init__(self, guard: LogGuard) -> None:
        super().__init__(logging.NOTSET)
        self._guard = guard
        self._ours, self._backend = formatter(), logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        text = self._ours.format(record)
        if record.name.startswith("gong_views"):
            # A backend formats it as it likes: with the text of an exception, with fields uncut.
            text = f"{text} {self._backend.format(record)} {vars(record)}".replace("\n", " ")
        self._guard.found += findings(f"a record of {record.name}", text)


def findings(
    place: str, text: str, secrets: Iterable[str] = (), *, fixtures: Mapping[str, str] = FIXTURE_VALUES
) -> Iterator[Finding]:
    """What of the fixtures is in the lines of a log."""
    own = "|".join(map(re.escape, sorted(secrets)))
    patterns = {**fixtures, **({"a secret of its variables": own} if own else {})}
    for kind, pattern in patterns.items():
        for match in re.finditer(pattern, text):
            begin = text.rfind("\n", 0, match.start()) + 1
            end = text.find("\n", match.end())
            action = ACTION.search(text[begin : end if end >= 0 else None])
            yield Finding(place, action[1] if action else "-", kind, match[0])


def secrets_of(environment: Mapping[str, str]) -> Iterator[str]:
    """The secrets in a process's variables."""
    for name, value in environment.items():
        if name.endswith("_FILE"):
            file = Path(value)
            text = file.read_text(errors="replace") if file.is_file() else ""  # another's may be no text
            name, value = name.removesuffix("_FILE"), text.strip()
        found = URL_PASSWORD.findall(value)
        if SECRET_NAME.search(name):
            found += KEY_OF_LIST.findall(value) if name.endswith("_KEYS") else [value]
        yield from (one for one in found if len(one) >= SHORTEST_SECRET)


GUARD = LogGuard()
