"""Sessions: who is signed in, from when to when. They live in the process, so a restart ends them all."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from itsdangerous import BadSignature, Signer

from gong_worker.console.users import Role, User, Users, UsersProblem

MOST_SESSIONS: Final = 10_000


class Forbidden(Exception):
    """The session has ended, or its user may not do this. The text is for the user."""


@dataclass(slots=True, eq=False)
class Session:
    """One sign-in. `expires`: None for one that a proxy vouches for with each request.

    credential: what it was opened with; another password ends it.
    """

    id: str
    name: str
    credential: str | None
    expires: float | None
    active: float


class Sessions:
    """All sessions of this console. `open_to_all`: nobody signs in, whoever may connect is an operator."""

    def __init__(
        self,
        users: Users,
        *,
        idle_seconds: float,
        longest_seconds: float,
        open_to_all: bool = False,
        local_name: str = "local",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.users = users
        self._idle, self._longest = idle_seconds, longest_seconds
        self._open_to_all = open_to_all
        self._local = User(local_name, Role.OPERATOR)
        self._clock = clock
        self._signer = Signer(secrets.token_bytes(32), salt="gong-views console session")
        self._sessions: dict[str, Session] = {}

    @property
    def open_to_all(self) -> bool:
        """True until there is a user; it never comes back, even if the last user is removed."""
        if self._open_to_all and self.users.all():
            self._open_to_all = False
        return self._open_to_all

    def open(self, user: User) -> str:
        """A session for a user who has proved who they are; its cookie, signed."""
        now = self._clock()
        self._sweep(now)
        session = Session(secrets.token_urlsafe(32), user.name, user.password_hash, now + self._longest, now)
        self._sessions[session.id] = session
        return self._signer.sign(session.id).decode()

    def of_cookie(self, cookie: str) -> Session | None:
        """The live session of a cookie; None if it was not signed by this process, or the session has ended."""
        try:
            session = self._sessions.get(self._signer.unsign(cookie).decode())
        except (BadSignature, UnicodeDecodeError):
            return None
        return session if session is not None and self.user_of(session) is not None else None

    def of_proxy(self, name: str) -> Session | None:
        """The session of a user that a trusted proxy names; None if the file of users does not have them."""
        user = self.users.get(name)
        if user is None:
            return None
        return Session(f"proxy:{name}", name, user.password_hash, None, self._clock())

    def of_nobody(self) -> Session:
        """The session of whoever connects while there are no users."""
        return Session("local", self._local.name, None, None, self._clock())

    def user_of(self, session: Session) -> User | None:
        """The user as they are now; None once the session has ended or its user is gone or changed password."""
        now = self._clock()
        if session.id == "local":
            return self._local if self.open_to_all else None
        if session.expires is not None and (
            session.id not in self._sessions or now >= session.expires or now - session.active >= self._idle
        ):
            self._sessions.pop(session.id, None)
            return None
        try:
            user = self.users.get(session.name)
        except UsersProblem:
            return None
        if user is None or user.password_hash != session.credential:
            self._sessions.pop(session.id, None)
            return None
        return user

    def touch(self, session: Session) -> None:
        """The user did something."""
        session.active = self._clock()

    def close(self, session: Session) -> None:
        """Sign out."""
        self._sessions.pop(session.id, None)

    def _sweep(self, now: float) -> None:
        for session in list(self._sessions.values()):
            over = session.expires is not None and now >= session.expires
            if over or now - session.active >= self._idle:
                del self._sessions[session.id]
        while len(self._sessions) >= MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
