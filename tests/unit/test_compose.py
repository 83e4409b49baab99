"""docker-compose.yml, as far as it can be checked without a Docker engine."""

from pathlib import Path

import pytest
import yaml

from gong_worker.cli import COMMANDS

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def test_the_services_are_there():
    """Redis, PostgreSQL, migration, worker, web, and the simulator behind a profile."""
    assert set(COMPOSE["services"]) == {"redis", "postgres", "migrate", "worker", "web", "simulator"}
    assert COMPOSE["services"]["simulator"]["profiles"] == ["sandbox"]


@pytest.mark.parametrize("name", ["migrate", "worker", "web", "simulator"])
def test_every_service_of_ours_runs_a_command_that_exists(name):
    """A renamed command cannot leave the compose file behind."""
    assert COMPOSE["services"][name]["command"][0] in COMMANDS


def test_redis_keeps_what_it_acknowledged():
    """The queue's Redis writes every acknowledged message to disk."""
    command = COMPOSE["services"]["redis"]["command"]
    assert command[command.index("--appendonly") + 1] == "yes"
    assert command[command.index("--appendfsync") + 1] == "always"


def test_the_worker_may_finish_its_call():
    """The grace period is longer than the longest call."""
    from gong_worker.settings import DEFAULT_REQUEST_TIMEOUT_SECONDS as longest

    assert int(COMPOSE["services"]["worker"]["stop_grace_period"].rstrip("s")) > longest
