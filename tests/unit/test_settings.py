"""Settings of the application: defaults, contradictions, secrets."""

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gong_views.errors import SettingsError
from gong_views.names import Lane
from gong_worker.settings import LONGEST_HOLD_SECONDS, WorkerSettings
from gong_worker.settings_registry import refuse_unknown, unknown_variables
from gong_worker.settings_report import HIDDEN, masked_url, settings_report


def load(**variables: object) -> WorkerSettings:
    return WorkerSettings.load(**variables)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nothing of ours set."""
    for name in [name for name in os.environ if name.startswith(("GONG_", "REDIS_URL", "DATABASE_URL"))]:
        monkeypatch.delenv(name)
    return monkeypatch


@given(st.floats(1.6, 3600))
def test_any_visibility_timeout_has_a_request_timeout_that_fits(visibility: float) -> None:
    """Left unset, the request timeout never contradicts the visibility timeout, and is never above 10 s."""
    settings = load(GONG_VIEWS_VISIBILITY_TIMEOUT_SECONDS=visibility)
    assert settings.request_timeout_seconds <= 10
    assert settings.request_timeout_seconds + LONGEST_HOLD_SECONDS < visibility


def test_the_class_itself_reads_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that makes the settings without `load` gets this process's variables, and what it gives goes first."""
    monkeypatch.setenv("REDIS_URL", "redis://queue.example:6379/4")
    monkeypatch.setenv("GONG_VIEWS_CONCURRENCY", "3")
    settings = WorkerSettings(concurrency=5)
    assert settings.concurrency == WorkerSettings(GONG_VIEWS_CONCURRENCY="5").concurrency == 5
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value().endswith("/4")


def test_two_timeouts_that_contradict_are_refused() -> None:
    """A call that could outlast its message's visibility stops the start, and both variables are named."""
    with pytest.raises(SettingsError) as caught:
        load(GONG_VIEWS_VISIBILITY_TIMEOUT_SECONDS=10, GONG_VIEWS_REQUEST_TIMEOUT_SECONDS=30)
    assert "GONG_VIEWS_VISIBILITY_TIMEOUT_SECONDS" in str(caught.value)
    assert "GONG_VIEWS_REQUEST_TIMEOUT_SECONDS" in str(caught.value)


def test_each_wrong_variable_is_named_at_once() -> None:
    """Two wrong settings are two lines: nobody has to start three times to learn of them."""
    with pytest.raises(SettingsError) as caught:
        load(GONG_VIEWS_VISIBILITY_TIMEOUT_SECONDS="soon", GONG_VIEWS_MAX_ATTEMPTS=0)
    lines = str(caught.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "GONG_VIEWS_MAX_ATTEMPTS",
        "GONG_VIEWS_VISIBILITY_TIMEOUT_SECONDS",
    ]


def test_secrets_are_not_shown() -> None:
    """Neither the repr nor the masked settings hold a secret; the fingerprint tells credentials apart."""
    one = load(GONG_BEARER_TOKEN="tok-en-one", REDIS_URL="redis://:hush@localhost/0")
    other = load(GONG_BEARER_TOKEN="tok-en-two")
    shown = repr(one)
    assert "tok-en" not in shown
    assert "hush" not in shown
    assert one.credential_fingerprint != other.credential_fingerprint


def test_a_file_of_variables_is_read_only_when_named(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A `.env` in the working directory decides nothing; the one that GONG_VIEWS_ENV_FILE names does."""
    (tmp_path / ".env").write_text(
        "GONG_VIEWS_CONCURRENCY=3\nGONG_BEARER_TOKEN='pa$$ ${x}'\nGONG_BASE_URL=\n"
    )
    environment.chdir(tmp_path)
    assert load().concurrency == 8
    environment.setenv("GONG_VIEWS_ENV_FILE", str(tmp_path / ".env"))
    named = load()
    assert (named.concurrency, named.gong_base_url) == (3, "https://api.gong.io")
    assert named.gong_bearer_token is not None
    assert named.gong_bearer_token.get_secret_value() == "pa$$ ${x}"
    environment.setenv("GONG_VIEWS_CONCURRENCY", "5")
    environment.setenv("GONG_BEARER_TOKEN", "")
    assert load().concurrency == 5
    assert load().gong_bearer_token is None, "a blank variable of the environment goes before the file"
    environment.setenv("GONG_VIEWS_ENV_FILE", str(tmp_path / "absent"))
    with pytest.raises(SettingsError, match=r"GONG_VIEWS_ENV_FILE: .*absent cannot be read"):
        load()


def test_every_secret_may_stand_in_a_file_of_its_own(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """X_FILE names the file of X; both set, an absent or an empty file stop the start and are named."""
    secrets = {
        "REDIS_URL": "redis://:hush@localhost/0",
        "DATABASE_URL": "postgresql://u:hush@localhost/x",
        "GONG_ACCESS_KEY": "key",
        "GONG_ACCESS_KEY_SECRET": "hush",
    }
    for name, value in secrets.items():
        (tmp_path / name).write_text(f"{value}\n")
        environment.setenv(f"{name}_FILE", str(tmp_path / name))
    settings = load()
    for value, found in zip(
        secrets.values(),
        (
            settings.redis_url,
            settings.database_url,
            settings.gong_access_key,
            settings.gong_access_key_secret,
        ),
        strict=True,
    ):
        assert found is not None
        assert found.get_secret_value() == value
    refuse_unknown()
    environment.setenv("GONG_ACCESS_KEY_SECRET", "hush")
    with pytest.raises(
        SettingsError, match="GONG_ACCESS_KEY_SECRET and GONG_ACCESS_KEY_SECRET_FILE are both set"
    ):
        load()
    environment.delenv("GONG_ACCESS_KEY_SECRET")
    (tmp_path / "GONG_ACCESS_KEY_SECRET").write_text("\n")
    with pytest.raises(SettingsError, match=r"GONG_ACCESS_KEY_SECRET_FILE: .* is empty"):
        load()
    environment.setenv("GONG_ACCESS_KEY_SECRET_FILE", str(tmp_path / "absent"))
    with pytest.raises(SettingsError, match=r"GONG_ACCESS_KEY_SECRET_FILE: .*absent cannot be read"):
        load()


def test_an_unknown_variable_is_refused_with_the_nearest_name() -> None:
    """A typo is said; what any class of ours reads, the twins of secrets and the tests' own are known."""
    assert unknown_variables(["GONG_VIEWS_CALLS_PER_SECND"]) == [
        "GONG_VIEWS_CALLS_PER_SECND: there is no such setting; did you mean GONG_VIEWS_CALLS_PER_SECOND?"
    ]
    [far] = unknown_variables(["GONG_VIEWS_ZZZ"])
    assert "gong-views check" in far
    assert unknown_variables(["GONG_VIEWS_DATA_DIR_FILE"]) != []
    known = (
        "API_KEYS",
        "API_KEYS_FILE",
        "OUTBOX_URL",
        "OUTBOX_URL_FILE",
        "LOG_FORMAT",
        "ENV_FILE",
        "TEST_ANYTHING",
    )
    assert unknown_variables([f"GONG_VIEWS_{name}" for name in known] + ["PATH", "GONG_X"]) == []


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("REDIS_URL", "redis://:geheim#1@host:6379/0"),
        ("REDIS_URL", "redis://u:gehe/im@host:6379/0"),
        ("REDIS_URL", "redis://:geheim@host/0?ssl_cert_reqs=none"),
        ("REDIS_URL", "redis://:geheim@host:x/0"),
        ("REDIS_URL", "redis://:geheim@host/name"),
        ("REDIS_URL", "http://:geheim@host"),
        ("GONG_BASE_URL", "https://host:abc"),
    ],
)
def test_an_address_that_cannot_be_read_is_refused_without_its_value(variable: str, value: str) -> None:
    """One line that names the variable; nothing of the password."""
    with pytest.raises(SettingsError) as caught:
        load(**{variable: value})
    text = str(caught.value)
    assert text.startswith(f"{variable}: ")
    assert "geheim" not in text
    assert len(text.splitlines()) == 1
    assert caught.value.__cause__ is None


def test_an_at_sign_in_a_redis_password_is_read_as_redis_py_does() -> None:
    """`redis://u:p@ss@host` has the password `p@ss`, for producers, worker and checks alike."""
    assert load(REDIS_URL="redis://u:p@ss@host/0").redis_url is not None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:hush@queue.internal:6380/2", "redis://:***@queue.internal:6380/2"),
        (
            "rediss://app:hush@[::1]:6380/2?ssl_ca_certs=/ca.pem",
            "rediss://app:***@[::1]:6380/2?ssl_ca_certs=/ca.pem",
        ),
        ("unix:///run/valkey.sock?db=0&password=hush", "unix:///run/valkey.sock?db=0&password=***"),
        ("postgresql://u:hu@sh@db/x?sslmode=require", "postgresql://u:***@db/x?sslmode=require"),
        ("postgresql://u:1#hush@db/x", HIDDEN),
        ("postgresql://u:12/hush@db/x", HIDDEN),
        ("sqlite:////var/lib/ledger.db", "sqlite:////var/lib/ledger.db"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    """Host, port, user and database are told: that is what one wants to see; the password never."""
    assert masked_url(url) == shown


def test_the_report_has_all_settings_and_where_each_came_from(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Environment, file or default, for every variable of every class; secrets are only said to be set."""
    (tmp_path / "secret").write_text("hush")
    (tmp_path / "vars").write_text("GONG_VIEWS_MAX_ATTEMPTS=4\n")
    environment.setenv("GONG_VIEWS_ENV_FILE", str(tmp_path / "vars"))
    environment.setenv("GONG_BEARER_TOKEN_FILE", str(tmp_path / "secret"))
    environment.setenv("REDIS_URL", "redis://:hush@host/0")
    report = settings_report()
    assert report["REDIS_URL"] == {"value": "redis://:***@host/0", "origin": "environment"}
    assert report["GONG_BEARER_TOKEN"] == {"value": HIDDEN, "origin": f"file {tmp_path / 'secret'}"}
    assert report["GONG_VIEWS_MAX_ATTEMPTS"] == {"value": 4, "origin": f"file {tmp_path / 'vars'}"}
    assert report["GONG_VIEWS_CONCURRENCY"] == {"value": 8, "origin": "default"}
    for other in (
        "GONG_VIEWS_API_KEYS",
        "GONG_VIEWS_OUTBOX_URL",
        "GONG_VIEWS_LOG_FORMAT",
        "GONG_VIEWS_HTTP_PORT",
    ):
        assert other in report
    assert "hush" not in str(report)


@pytest.mark.parametrize(
    ("calls_per_second", "reserve", "bulk_reserve", "live", "bulk"),
    [
        (3, 0, None, 3, 2), (2.5, 0, None, 2, 1), (1.9, 0, None, 1, 1), (0.5, 0, None, 0.5, 0.5),
        (10, 4, 2, 6, 6), (5, 1, 4, 4, 1),
    ],
)  # fmt: skip
def test_what_a_lane_may_use(
    calls_per_second: float, reserve: int, bulk_reserve: int | None, live: float, bulk: float
) -> None:
    """Whole calls less the reserve of each lane; bulk leaves one of a limit of two and more unless it is set."""
    settings = WorkerSettings(
        calls_per_second=calls_per_second, reserve_per_second=reserve, bulk_reserve_per_second=bulk_reserve
    )
    assert (settings.idle_rate(Lane.LIVE), settings.idle_rate(Lane.BULK)) == (live, bulk)


@pytest.mark.parametrize("name", ["RESERVE_PER_SECOND", "BULK_RESERVE_PER_SECOND"])
def test_a_reserve_leaves_a_call(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reserve of the whole limit is refused by name; a blank one is unset."""
    monkeypatch.setenv(f"GONG_VIEWS_{name}", "3")
    with pytest.raises(SettingsError, match=f"GONG_VIEWS_{name}=3 leaves not one whole call"):
        WorkerSettings.load()
    monkeypatch.setenv("GONG_VIEWS_RESERVE_PER_SECOND", "0")
    monkeypatch.setenv("GONG_VIEWS_BULK_RESERVE_PER_SECOND", "")
    assert WorkerSettings.load().bulk_reserve_per_second is None


def test_a_setting_that_is_gone_says_what_to_do() -> None:
    """A variable that nothing reads, and that resembles none, is to be removed."""
    [text] = unknown_variables(["GONG_VIEWS_ADAPTIVE_INCREASE"])
    assert text.startswith("GONG_VIEWS_ADAPTIVE_INCREASE: there is no such setting; remove it")


def test_a_mistake_in_the_options_of_a_redis_url_is_named(tmp_path: Path) -> None:
    """The option that there is none of, or the file that is not there, stands in the error."""
    for option, named in (
        ("ssl_ca=/ca.pem", "ssl_ca"),
        (f"ssl_ca_certs={tmp_path}/none.pem", f"{tmp_path}/none.pem"),
    ):
        with pytest.raises(SettingsError, match=re.escape(named)):
            load(REDIS_URL=f"rediss://host:6379/0?{option}")
