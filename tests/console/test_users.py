"""The file of users, and `gong-views console-user`."""

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from gong_worker.cli.console import console_user
from gong_worker.console.users import Users, UsersProblem

PASSWORD = "a long enough password"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the users are to be."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GONG_VIEWS_CONSOLE_USERS", str(tmp_path / "users.json"))
    return tmp_path / "users.json"


def test_users_are_added_listed_and_removed(path: Path) -> None:
    """The file is 0600, holds an argon2 hash and no password, and a name and password are verified together."""
    runner, users = CliRunner(), Users(path)
    added = runner.invoke(console_user, ["add", "anna", "--role", "operator"], input=f"{PASSWORD}\n")
    assert (added.exit_code, PASSWORD in added.output) == (0, False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert PASSWORD not in path.read_text() and "$argon2id$" in path.read_text()
    file = path.with_name("password")
    file.write_text(f"{PASSWORD}\n")
    runner.invoke(
        console_user,
        ["add", "vera", "--role", "viewer", "--password-file", str(file)],
        catch_exceptions=False,
    )
    runner.invoke(console_user, ["add", "pia", "--role", "viewer", "--payloads", "--without-password"])
    listed = json.loads(runner.invoke(console_user, ["list", "--json"]).output)["users"]
    assert [(one["name"], one["role"], one["payloads"], one["password"]) for one in listed] == [
        ("anna", "operator", True, True),
        ("pia", "viewer", True, False),
        ("vera", "viewer", False, True),
    ]
    anna = users.verified("anna", PASSWORD)
    assert anna is not None and anna.operates
    for name, password in (
        ("anna", "wrong password!"),
        ("nobody", PASSWORD),
        ("pia", ""),
        ("anna", "x" * 2_000),
    ):
        assert users.verified(name, password) is None
    assert runner.invoke(console_user, ["remove", "anna"]).exit_code == 0
    assert users.verified("anna", PASSWORD) is None, "a file once read is read again when it has changed"


@pytest.mark.parametrize(
    ("name", "password", "complaint"),
    [
        ("anna", "short", "has 5 characters"),
        ("a b", PASSWORD, "no name of a user"),
        ("anna", "", "0 characters"),
    ],
)
def test_what_cannot_be_a_user_is_refused(path: Path, name: str, password: str, complaint: str) -> None:
    """A short password or a strange name is refused with what is wanted, and nothing is written."""
    result = CliRunner().invoke(console_user, ["add", name, "--role", "viewer"], input=f"{password}\n")
    assert isinstance(result.exception, UsersProblem) and complaint in str(result.exception)
    assert not path.exists()


def test_a_file_that_others_can_read_or_that_is_none_is_not_used(path: Path) -> None:
    """The mend is in the message."""
    path.write_text('{"users": {}}')
    path.chmod(0o644)
    with pytest.raises(UsersProblem, match="chmod 600"):
        Users(path).all()
    path.chmod(0o600)
    assert Users(path).all() == {}
    path.write_text('{"users": {"anna": {"role": "king"}}}')
    with pytest.raises(UsersProblem, match="no file of users"):
        Users(path).all()
