"""Laws of `gong-views oauth`, typed beside a running authorisation server."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from gong_views.errors import SettingsError
from gong_worker.cli.oauth import oauth
from gong_worker.domain.audit import AuditAction
from gong_worker.ledger import Ledger, migrate, open_engine
from gong_worker.oauth import Vault, new_key
from gong_worker.operations.oauth import LoginFailed, new_login
from gong_worker.settings import WorkerSettings
from gong_worker.simulator import SimulatorClient
from tests.integration.oauth.conftest import KEY, settings_of
from tests.support.processes import Process, process
from tests.support.servers import free_port, wait_until


@pytest.fixture(scope="module")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def environment(tmp_path: Path, migrated_file: Path, sim: SimulatorClient, redis_url: str) -> dict[str, str]:
    """Of a worker that nobody has logged in for; its key in a file."""
    shutil.copy(migrated_file, tmp_path / "ledger.db")
    (tmp_path / "key").write_text(f"{KEY}\n")
    return {
        "REDIS_URL": redis_url,
        "DATABASE_URL": f"sqlite:///{tmp_path}/ledger.db",
        "GONG_VIEWS_DATA_DIR": str(tmp_path),
        "GONG_OAUTH_CLIENT_ID": "sim-client",
        "GONG_OAUTH_CLIENT_SECRET": "sim-client-secret",
        "GONG_OAUTH_KEY_FILE": str(tmp_path / "key"),
        "GONG_OAUTH_AUTHORIZE_URL": f"{sim.url}/oauth2/authorize",
        "GONG_OAUTH_TOKEN_URL": f"{sim.url}/oauth2/generate-customer-token",
    }


@pytest.fixture
def ledger(environment: dict[str, str]) -> Iterator[Ledger]:
    made = Ledger(open_engine(environment["DATABASE_URL"]))
    yield made
    made.close()


@pytest.fixture
def typed(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`gong-views oauth` with these words."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return lambda *words, given="": CliRunner().invoke(oauth, words, input=given)


def browse(login: Process) -> httpx.Response:
    """What somebody who approves does: open the address that was printed, and follow."""

    def address() -> str:
        found = re.search(r"^open: (\S+)$", login.log, re.MULTILINE)
        assert found or login.running(), login.log
        return found[1] if found else ""

    with httpx.Client(follow_redirects=True, trust_env=False, timeout=30) as browser:
        return browser.get(wait_until(address, "the address", 60))


def test_a_login_in_the_browser(
    environment: dict[str, str], ledger: Ledger, sim: SimulatorClient, tmp_path: Path
) -> None:
    """The address is printed, the browser comes back to this machine, and the tokens are in the ledger, encrypted."""
    words = ["gong_worker", "oauth", "login", "--no-browser", "--json", f"--port={free_port()}"]
    with process(words, tmp_path / "login.log", environment) as login:
        page = browse(login)
        assert page.status_code == 200 and "terminal" in page.text
        assert login.popen.wait(60) == 0, login.log
    grant = ledger.read_grant("sim-client", with_tokens=True)
    assert grant is not None and grant.tokens is not None
    refresh_token, access_token = Vault(KEY).open(grant.tokens)
    assert {refresh_token, access_token} == set(sim.tokens())
    assert '"state": "usable"' in login.log
    (entry,) = ledger.list_actions(limit=2).entries
    assert (entry.action, entry.details) == (AuditAction.OAUTH_GRANT, {"how": "login"})
    for token in sim.tokens():
        assert token not in login.log and token not in grant.tokens


def test_what_others_open_does_not_end_a_login(
    environment: dict[str, str], ledger: Ledger, sim: SimulatorClient, tmp_path: Path
) -> None:
    """An address of another login, as any page can open it, is refused; the login waits for its own."""
    port = free_port()
    words = ["gong_worker", "oauth", "login", "--no-browser", f"--port={port}"]
    with process(words, tmp_path / "login.log", environment) as login:
        wait_until(lambda: "open: " in login.log, "the address", 60)
        for wrong in ("x", "code=c-1", "code=c-1&state=other", "state=%ff%ed%a0%80"):
            assert httpx.get(f"http://127.0.0.1:{port}/callback?{wrong}", trust_env=False).status_code == 400
        assert browse(login).status_code == 200
        assert login.popen.wait(60) == 0, login.log
    assert ledger.read_grant("sim-client") is not None


def test_an_approval_that_is_refused(
    environment: dict[str, str], ledger: Ledger, sim: SimulatorClient, tmp_path: Path
) -> None:
    """When the administrator says no the command says so and fails; nothing is in the ledger."""
    sim.settings(oauth_approves=False)
    words = ["gong_worker", "oauth", "login", "--no-browser", f"--port={free_port()}"]
    with process(words, tmp_path / "login.log", environment) as login:
        browse(login)
        assert login.popen.wait(60) == 2
    assert "did not approve (access_denied)" in login.log
    assert ledger.read_grant("sim-client") is None


def test_import_and_status(typed: Callable[..., Result], sim: SimulatorClient, tmp_path: Path) -> None:
    """A refresh token comes by standard input or a file, never as an argument; no secret is shown of it."""
    before = typed("status")
    assert before.exit_code == 1 and "oauth login" in before.stdout
    for wrong in ("", "two tokens"):
        assert typed("import", given=wrong).exit_code == 2
    (tmp_path / "token").write_bytes(b"\xff\xfe")
    assert typed("import", str(tmp_path / "token")).exit_code == 2
    token = sim.grant()
    done = typed("import", "--json", given=f"{token}\n")
    told = json.loads(done.stdout)
    assert (done.exit_code, told["state"], told["base_url"]) == (0, "usable", sim.url), done.stderr
    after = typed("status")
    assert after.exit_code == 0 and "expires" in after.stdout
    for secret in (*sim.tokens(), "sim-client-secret", KEY):
        assert secret not in done.stdout + done.stderr + after.stdout + after.stderr
    slip = typed("import", given="no-token-of-gong")
    assert slip.exit_code == 2 and "--replace" in slip.stderr
    assert typed("status").exit_code == 0  # what was in use is in use
    refused = typed("import", "--replace", given=token)
    assert refused.exit_code == 1
    assert "invalid_grant" in refused.stdout


def test_status_with_another_key(typed: Callable[..., Result], sim: SimulatorClient, tmp_path: Path) -> None:
    """An approval whose tokens this key does not open is not usable; several keys are, when one opens them."""
    assert typed("import", given=sim.grant()).exit_code == 0
    other = new_key()
    (tmp_path / "key").write_text(other)
    wrong = typed("status")
    assert wrong.exit_code == 1 and "another key" in wrong.stdout and "not usable" in wrong.stdout
    assert json.loads(typed("status", "--json").stdout)["key_fits"] is False
    (tmp_path / "key").write_text(f"{other}\n{KEY}\n")
    right = typed("status")
    assert right.exit_code == 0 and "opens the tokens" in right.stdout


def test_a_key_is_printed(environment: dict[str, str]) -> None:
    """What `oauth key` prints is taken as GONG_OAUTH_KEY, and needs no settings."""
    done = CliRunner().invoke(oauth, ["key"])
    assert done.exit_code == 0
    assert WorkerSettings(**environment | {"GONG_OAUTH_KEY": done.stdout}).uses_oauth


def test_what_came_back_is_checked(settings: WorkerSettings) -> None:
    """Only an answer with the login's own state gives a code; a bare code is taken as it is pasted."""
    login = new_login(settings, "http://127.0.0.1:8765/callback")
    assert "code_challenge_method=S256" in login.url and login.verifier not in login.url
    back = f"http://127.0.0.1:8765/callback?code=c-1&state={login.state}"
    assert login.code_of(back) == login.code_of(f"code=c-1&state={login.state}") == "c-1"
    assert login.code_of(" c-1\n") == "c-1"
    stateless = ("/callback?c-1", "/callback?", "/callback?code=c-1")
    for wrong in (*stateless, "/callback?code=c-1&state=other", f"/callback?state={login.state}"):
        with pytest.raises(LoginFailed):
            login.code_of(wrong)
    assert new_login(settings, "x").state != login.state


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"GONG_OAUTH_KEY": ""}, "gong-views oauth key"),
        ({"GONG_OAUTH_CLIENT_SECRET": ""}, "GONG_OAUTH_CLIENT_SECRET"),
        ({"GONG_OAUTH_KEY": "short"}, "GONG_OAUTH_KEY"),
        ({"GONG_OAUTH_KEY": f"{KEY} no-key"}, "GONG_OAUTH_KEY"),
        ({"GONG_BEARER_TOKEN": "t"}, "several are set"),
        ({"GONG_ACCESS_KEY": "k", "GONG_ACCESS_KEY_SECRET": "s"}, "several are set"),
        ({"GONG_OAUTH_TOKEN_URL": "http://gong.example/token"}, "GONG_OAUTH_TOKEN_URL"),
    ],
)
def test_settings_that_contradict_are_named(
    sim: SimulatorClient, changes: dict[str, str], named: str
) -> None:
    """Half an OAuth client, a key that is none, and two kinds of credential stop the start; no value is shown."""
    given = {
        "GONG_OAUTH_CLIENT_ID": "sim-client", "GONG_OAUTH_CLIENT_SECRET": "hush-hush", "GONG_OAUTH_KEY": new_key(),
    }  # fmt: skip
    with pytest.raises(SettingsError, match=named) as caught:
        WorkerSettings.load(**given | changes)
    assert "hush" not in str(caught.value) and KEY not in str(caught.value)


def test_the_fingerprint_is_the_client_not_the_token(sim: SimulatorClient) -> None:
    """Every process of a client shares its holds, before and after a renewal; another secret is another one."""
    one, same = settings_of(sim), settings_of(sim, GONG_OAUTH_KEY=new_key())
    assert one.credential_fingerprint == same.credential_fingerprint
    other = settings_of(sim, GONG_OAUTH_CLIENT_SECRET="another")
    assert one.credential_fingerprint != other.credential_fingerprint
