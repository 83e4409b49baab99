"""Sessions on a clock that the test moves."""

from pathlib import Path

import pytest

from gong_worker.console.login_limit import OF_ADDRESS, OF_NAME, WINDOW_SECONDS, LoginLimit
from gong_worker.console.sessions import Sessions
from gong_worker.console.users import Role, User, Users


class Clock:
    """Seconds that pass when told."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def users(tmp_path: Path) -> Users:
    """One operator, whose hash is none of a password: nothing here checks one."""
    users = Users(tmp_path / "users.json")
    users.add(User("anna", Role.OPERATOR, password_hash="$first"))
    return users


def opened(users: Users, clock: Clock) -> tuple[Sessions, str]:
    """Sessions that end after 60 s without use and after 600 s anyway, and the cookie of one."""
    sessions = Sessions(users, idle_seconds=60, longest_seconds=600, clock=clock)
    anna = users.get("anna")
    assert anna is not None
    return sessions, sessions.open(anna)


def test_a_session_ends_when_unused_and_after_its_longest_time(users: Users) -> None:
    """Use keeps it alive, but not for ever."""
    clock = Clock()
    sessions, cookie = opened(users, clock)
    for _ in range(11):
        clock.now += 50
        session = sessions.of_cookie(cookie)
        assert session is not None
        sessions.touch(session)
    clock.now += 50
    assert sessions.of_cookie(cookie) is None, "600 s are over"
    sessions, cookie = opened(users, clock)
    clock.now += 60
    assert sessions.of_cookie(cookie) is None, "nobody used it"
    clock.now -= 60
    assert sessions.of_cookie(cookie) is None, "it does not come back"


def test_a_session_follows_its_user(users: Users) -> None:
    """It ends when the user is removed, signs out or gets another password; a changed role counts at once."""
    clock = Clock()
    sessions, cookie = opened(users, clock)
    session = sessions.of_cookie(cookie)
    assert session is not None
    users.add(User("anna", Role.VIEWER, password_hash="$first"))
    user = sessions.user_of(session)
    assert user is not None and not user.operates and not user.sees_payloads
    users.add(User("anna", Role.OPERATOR, password_hash="$second"))
    assert sessions.of_cookie(cookie) is None
    users.add(User("anna", Role.OPERATOR, password_hash="$first"))
    assert sessions.of_cookie(cookie) is None, "what has ended stays so"
    sessions, cookie = opened(users, clock)
    session = sessions.of_cookie(cookie)
    assert session is not None
    users.remove("anna")
    assert sessions.user_of(session) is None
    users.add(User("anna", Role.OPERATOR, password_hash="$first"))
    assert sessions.of_cookie(cookie) is None
    sessions, cookie = opened(users, clock)
    session = sessions.of_cookie(cookie)
    assert session is not None
    sessions.close(session)
    assert sessions.of_cookie(cookie) is None


def test_a_cookie_counts_only_with_our_signature(users: Users) -> None:
    """A cookie that was changed, or signed by another process, is none."""
    clock = Clock()
    sessions, cookie = opened(users, clock)
    other, foreign = opened(users, clock)
    assert sessions.of_cookie(cookie) is not None
    for forged in (
        foreign,
        cookie.replace(cookie[0], "A" if cookie[0] != "A" else "B", 1),
        cookie.partition(".")[0],
        "",
        "é",
    ):
        assert sessions.of_cookie(forged) is None
    assert other.of_cookie(foreign) is not None


def test_without_users_everybody_is_an_operator_until_there_is_one(tmp_path: Path) -> None:
    """The first user closes the console, and removing the last one does not open it again."""
    users = Users(tmp_path / "users.json")
    sessions = Sessions(users, idle_seconds=60, longest_seconds=600, open_to_all=True)
    nobody = sessions.of_nobody()
    user = sessions.user_of(nobody)
    assert sessions.open_to_all and user is not None and user.operates
    users.add(User("anna", Role.OPERATOR))
    assert not sessions.open_to_all and sessions.user_of(nobody) is None
    users.remove("anna")
    assert not sessions.open_to_all and sessions.user_of(nobody) is None


def test_guesses_are_limited_by_address_and_by_name() -> None:
    """An address, or a whole IPv6 network, has ten guesses in a quarter of an hour; a name fifty from anywhere."""
    clock = Clock()
    limit = LoginLimit(clock)
    for number in range(OF_ADDRESS):
        assert limit.wait_seconds(f"2001:db8::{number}", f"name{number}") == 0
        limit.failed(f"2001:db8::{number}", f"name{number}")
    assert limit.wait_seconds("2001:db8::ffff", "anna") == WINDOW_SECONDS
    assert limit.wait_seconds("2001:db8:0:1::1", "anna") == 0
    for number in range(OF_NAME):
        limit.failed(f"192.0.2.{number}", "anna")
    assert limit.wait_seconds("198.51.100.1", "anna") > 0
    assert limit.wait_seconds("198.51.100.1", "bert") == 0
    clock.now += WINDOW_SECONDS
    assert limit.wait_seconds("2001:db8::ffff", "anna") == 0


def test_a_right_password_takes_back_its_own_count_only() -> None:
    """Who knows the password is not held up, and does not clear the failures of others."""
    limit = LoginLimit(Clock())
    for _ in range(3 * OF_ADDRESS):
        limit.failed("192.0.2.1", "anna")
        limit.succeeded("192.0.2.1", "anna")
        assert limit.wait_seconds("192.0.2.1", "anna") == 0
    for _ in range(OF_ADDRESS - 1):
        limit.failed("192.0.2.1", "anna")
    limit.failed("192.0.2.1", "anna")
    limit.succeeded("192.0.2.1", "anna")
    limit.failed("192.0.2.1", "anna")
    assert limit.wait_seconds("192.0.2.1", "anna") > 0
