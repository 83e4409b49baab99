"""Every service of docker-compose.yml as a plain process with real servers: its own command line and environment."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gong_worker.simulator import SimulatorClient
from tests.integration.outbox.support import add_many, backend_engine, install
from tests.support.compose import REAL, SANDBOX, Services, render
from tests.support.forwarder import forwarder
from tests.support.roles import ROLES
from tests.support.servers import Postgres, wait_until
from tests.support.views import view

CREDENTIALS = {"GONG_ACCESS_KEY_FILE": "/dev/null", "GONG_ACCESS_KEY_SECRET_FILE": "/dev/null"}


@pytest.fixture
def postgres(tmp_path: Path, postgres_server: Postgres) -> Iterator[int]:
    """The port of a PostgreSQL on which our roles log in by password; its rules are put back afterwards."""
    rules = postgres_server._server.pgdata / "pg_hba.conf"
    before = rules.read_text()
    names = ",".join(f"gong_views_{role}" for role in ROLES)
    rules.write_text(f"local all {names} scram-sha-256\n{before}")
    postgres_server._server.psql("SELECT pg_reload_conf();")
    directory = postgres_server._server.get_postmaster_info().socket_dir
    socket = next(path for path in Path(directory).iterdir() if path.suffix != ".lock" and path.is_socket())
    try:
        with forwarder(socket) as front:
            yield front.port
    finally:
        rules.write_text(before)
        postgres_server._server.psql("SELECT pg_reload_conf();")
        postgres_server._server.psql("DROP DATABASE IF EXISTS gong_views WITH (FORCE);")
        for role in ROLES:
            postgres_server._server.psql(f"DROP ROLE IF EXISTS gong_views_{role};")


@pytest.mark.timeout(600)  # a dozen processes, one after the other, on a machine that does much else
def test_the_sandbox_delivers_an_event(tmp_path: Path, postgres_server: Postgres, postgres: int) -> None:
    """With nothing set all services start in order, with users, roles and keys made, and an event gets through."""
    url = f"sqlite:///{tmp_path / 'backend.db'}"
    backend = backend_engine(url)
    install(backend)
    add_many(backend, [2])
    (tmp_path / "outbox-url").write_text(url)
    project = render(REAL, SANDBOX, folder=tmp_path, GONG_VIEWS_OUTBOX_URL_FILE=str(tmp_path / "outbox-url"))
    services = Services(project, tmp_path / "compose", postgres_server, postgres)
    try:
        services.up("worker", "simulator", "web", "relay", "console", "metrics")
        assert "SANDBOX" in services.log_path("prepare").read_text()
        services.wait_healthy("web")
        _, key = (tmp_path / "compose/etc/web/api-keys").read_text().strip().split(":")
        intake = f"http://127.0.0.1:{services.ports['web']}/v1/views"
        with httpx.Client(trust_env=False) as client:
            assert client.post(intake, json=view(1)).status_code == 401
            answer = client.post(intake, json=view(1), headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 202, answer.text
        gong = SimulatorClient(f"http://127.0.0.1:{services.ports['simulator']}")
        ids = {"view-1", "view-2"}
        wait_until(
            lambda: {event for _, event in gong.accepted()} == ids, "both events at the simulator", 120
        )
        services.wait_healthy("console")
        wait_until(lambda: services.run("operator", "reconcile", "--json")[0] == 0, "an even balance", 120)
        services.wait_healthy("worker")
        code, said = services.run("operator", "status", "--check")
        assert code == 0, said
        scraped = (tmp_path / "compose/etc/prometheus/metrics-key").read_text()
        answer = httpx.get(
            f"http://127.0.0.1:{services.ports['metrics']}/metrics",
            headers={"Authorization": f"Bearer {scraped}"}, trust_env=False, timeout=30,
        )  # fmt: skip
        assert 'gong_views_up{part="ledger"} 1.0' in answer.text
        assert 'gong_views_up{part="queue"} 1.0' in answer.text
        # A second start finds every password as it was.
        before = (tmp_path / "compose/etc/worker/redis-url").read_text()
        assert services.run("prepare")[0] == 0
        assert (tmp_path / "compose/etc/worker/redis-url").read_text() == before
    finally:
        services.close()
        backend.dispose()


@pytest.mark.parametrize(
    ("sandbox", "variables", "code", "words"),
    [
        (False, {}, 1, "no credential of Gong"),
        (False, {"GONG_ACCESS_KEY_FILE": "/dev/null"}, 1, "GONG_ACCESS_KEY_SECRET_FILE is not set"),
        (False, {**CREDENTIALS, "GONG_BEARER_TOKEN_FILE": "/dev/null"}, 1, "not both"),
        (False, {"GONG_OAUTH_CLIENT_ID_FILE": "/dev/null"}, 1, "gong-views oauth key"),
        (False, {**CREDENTIALS, "GONG_OAUTH_CLIENT_ID_FILE": "/dev/null"}, 1, "not both"),
        (True, {"GONG_OAUTH_CLIENT_ID_FILE": "/dev/null"}, 1, "COMPOSE_FILE=docker-compose.yml"),
        (True, CREDENTIALS, 1, "COMPOSE_FILE=docker-compose.yml"),
    ],
)
def test_what_is_missing_is_said_before_anything_starts(
    tmp_path: Path, postgres_server: Postgres, sandbox: bool, variables: dict[str, str], code: int, words: str
) -> None:
    """The first service, which all others wait for, names what the real Gong needs; the sandbox takes none of it."""
    files = (REAL, SANDBOX) if sandbox else (REAL,)
    project = render(*files, folder=tmp_path, **variables)
    services = Services(project, tmp_path / "compose", postgres_server, 1)
    assert services.run("prepare")[0] == code
    assert words in services.log_path("prepare").read_text()


def test_each_service_reaches_what_it_needs_and_no_more(tmp_path: Path) -> None:
    """Only the worker has Gong's credential and a way to it; each service is mounted its own keys alone."""
    project = render(REAL, folder=tmp_path, **CREDENTIALS)
    services: dict[str, Any] = project["services"]
    outside = {name for name, network in project["networks"].items() if not network.get("internal")}
    reach = {name: outside & set(service.get("networks") or ()) for name, service in services.items()}
    assert reach == {
        name: {
            "worker": {"gong"},
            "web": {"front"},
            "console": {"front"},
            "grafana": {"front"},
            "relay": {"outbox"},
        }.get(name, set())
        for name in services
    }
    front = project["networks"]["front"]["driver_opts"]
    assert front == {"com.docker.network.bridge.enable_ip_masquerade": "false"}
    for name, service in services.items():
        secrets = {secret["source"] for secret in service.get("secrets", ())}
        assert name == "worker" or not {one for one in secrets if one.startswith("gong_")}
        mounted = {volume["target"] for volume in service.get("volumes", ())}
        named = json.dumps([service.get("environment"), service.get("command")])
        for part in named.split("/etc/gong-views/")[1:]:
            assert f"/etc/gong-views/{part.split('/')[0]}" in mounted
        given = [one for one in service.get("volumes", ()) if one["source"].endswith("-keys")]
        assert name == "prepare" or all(one["read_only"] for one in given)
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert int(service["mem_limit"]) <= 2**30
        assert not service["image"].endswith(":latest") or "build" in service
        for port in service.get("ports", ()):
            assert port["host_ip"] == "127.0.0.1"
    for name in ("redis", "postgres", "worker", "web", "console"):
        assert services[name]["healthcheck"]
