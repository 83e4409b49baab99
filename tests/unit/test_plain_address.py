"""Addresses that are read without SQLAlchemy."""

from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects.postgresql.psycopg import dialect as Psycopg
from sqlalchemy.engine import make_url

from gong_worker.ledger.engine import ledger_url
from gong_worker.ledger.errors import LedgerError
from gong_worker.ledger.plain_address import plain_file, plain_server

# What a person or a generator of passwords may write, and what has a meaning in an address.
TEXT = st.text("ab1.-_~ :/?#[]@!$&'()*+,;=%ä\n\\", max_size=8)
WORD = st.text("ab1.-_", min_size=1, max_size=6)
ESCAPED = st.builds(quote, TEXT, safe=st.sampled_from(["", "/:"]))
NAMES = st.sampled_from(["host", "port", "sslmode", "user", "dbname", "options", "application_name"])
QUERY = st.lists(st.tuples(NAMES, st.one_of(WORD, TEXT)), max_size=3).map(
    lambda pairs: f"?{urlencode(pairs)}"
)
FILES = st.builds(
    "sqlite{}:///{}".format, st.sampled_from(["", "+pysqlite"]), st.text("ab1.-_~ /#:\n", min_size=1)
)


@st.composite
def servers(draw: st.DrawFn) -> str:
    """Well-formed ones, some with escapes, and some that are not."""
    scheme = draw(st.sampled_from(["postgresql", "postgresql+psycopg", "postgres", "postgresql+asyncpg"]))
    part = st.one_of(WORD, WORD, WORD, ESCAPED, TEXT)
    user = draw(st.one_of(st.just(""), st.builds("{}@".format, part), st.builds("{}:{}@".format, part, part)))
    host = draw(st.one_of(WORD, WORD, st.just(""), st.just("[::1]"), TEXT))
    port = draw(st.sampled_from(["", "", ":5432", ":05", ":x"]))
    query = draw(st.one_of(st.just(""), QUERY, st.builds("?{}".format, TEXT)))
    return f"{scheme}://{user}{host}{port}/{draw(part)}{query}"


def same(url: str) -> bool:
    """Whether the address is plain; then it names the same file or server, with the same arguments, as SQLAlchemy's."""
    path, server = plain_file(url), plain_server(url)
    if path is not None:
        assert (ledger_url(url).drivername, ledger_url(url).database) == ("sqlite", path)
        assert server is None
    if server is not None:
        ((), arguments) = Psycopg().create_connect_args(ledger_url(url))
        assert {name: str(value) for name, value in arguments.items()} == server
    return path is not None or server is not None


@given(st.one_of(FILES, servers(), st.builds("{}://{}".format, WORD, TEXT)))
def test_a_plain_address_is_read_as_sqlalchemy_reads_it(url: str) -> None:
    """Whatever is read here names the same file, or the same server with the same arguments, as it does there."""
    same(url)


def test_many_addresses_are_plain() -> None:
    """The addresses tried above are in large part read, so that what they show is not about nothing."""
    tried: list[bool] = []

    @settings(derandomize=True, database=None)
    @given(st.one_of(FILES, servers()))
    def look(url: str) -> None:
        tried.append(same(url))

    look()
    assert sum(tried) >= len(tried) / 4, (sum(tried), len(tried))


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///ledger.db", "ledger.db"),
        ("sqlite:////var/lib/gong views/ledger.db", "/var/lib/gong views/ledger.db"),
        ("sqlite+pysqlite:////a/l.db", "/a/l.db"),
        ("sqlite:////a/l.db?mode=ro", None),
        ("sqlite:////a/b%20c.db", None),
        ("sqlite:////a/b#c.db", "/a/b#c.db"),
        ("sqlite://///localhost/a.db", None),
        ("sqlite://", None),
        ("sqlite:///:memory:", None),
        ("postgresql://host/ledger", None),
    ],
)
def test_files(url: str, path: str | None) -> None:
    """The usual addresses of a file are plain; one with options or an escape is not."""
    assert plain_file(url) == path


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://host/ledger",
        "postgresql://user@host:5433/ledger",
        "postgresql+psycopg://user:p%40ss%2Fword@10.0.0.1/ledger?sslmode=verify-full&sslrootcert=/a/ca.pem",
        "postgresql:///ledger?host=/var/run/postgresql",
        "postgresql+psycopg://postgres:@/ledger?host=%2Ftmp%2Fpg",
        "postgresql://user@host/ledger?user=other&dbname=another",
    ],
)
def test_usual_servers_are_plain(url: str) -> None:
    """The addresses of the deployment guide are read, so that most installations have the short way."""
    assert plain_server(url) == {
        name: str(value) for name, value in Psycopg().create_connect_args(make_url(url))[1].items()
    }


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///ledger?host=a:5432&host=b:5432",
        "postgresql:///ledger?host=a,b",
        "postgresql://host/ledger?port=5433",
        "postgresql://host/ledger?sslmode=require&sslmode=disable",
        "postgresql://host:05/ledger",
        "postgresql://host/ledger?sslmode=\nrequire",
        "postgresql://user@na@me/ledger",
        "postgresql://host",
        "mysql://host/ledger",
    ],
)
def test_unusual_servers_are_not(url: str) -> None:
    """Several hosts, a port in the options and what is refused later are left to SQLAlchemy."""
    assert plain_server(url) is None


def test_refused_addresses_are_not_read() -> None:
    """What the ledger refuses, a look does not open either."""
    for url in ("sqlite:////a@b/l.db", "postgresql://user:pass@word@host/ledger"):
        with pytest.raises(LedgerError):
            ledger_url(url)
        assert plain_file(url) is None and plain_server(url) is None
