"""What is imported is declared: each package by the install that brings it."""

import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Mapping
from functools import cache

import pytest

from tests.conventions.sources import PACKAGES, ROOT, imported_modules, python_files, relative

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
OURS = {*PACKAGES, "tests", "benchmarks"}
EXAMPLES_OWN = {"app", "content"}  # each example imports its own modules
# Which folders may import what: the base install, and the extras that a user of that code has.
PLACES = {
    "producers": ("outbox", "embedded"),
    "worker migrations": ("worker", "console", "outbox", "postgres", "embedded", "alerts", "otel"),
    "tests benchmarks examples": tuple(EXTRAS),
}
# Packages that share a top-level name: the longest that fits is the one.
SHARED = {
    "opentelemetry.exporter.otlp.proto.http": "opentelemetry-exporter-otlp-proto-http",
    "opentelemetry.proto": "opentelemetry-proto",
    "opentelemetry.sdk": "opentelemetry-sdk",
    "opentelemetry": "opentelemetry-api",
}
# Modules that only the named package ever loads: who has it installed.
LOADED_BY = {"producers/gong_views/pytest_plugin.py": "pytest"}


def distribution(requirement: str) -> str:
    """The normalised project name of a requirement."""
    return re.split(r"[\[<>=!~; ]", requirement)[0].lower().replace("_", "-").replace(".", "-")


def declared(extras: tuple[str, ...]) -> set[str]:
    """Every distribution that the base install and these extras name."""
    lists = [PROJECT["dependencies"], *(EXTRAS[name] for name in extras)]
    return {distribution(requirement) for requirements in lists for requirement in requirements}


@cache
def providers() -> Mapping[str, list[str]]:
    """The installed distributions by top-level module; slow to find out."""
    return importlib.metadata.packages_distributions()


def imported(folders: str) -> dict[str, str]:
    """The distributions these folders import, each with a file that does."""
    found: dict[str, str] = {}
    for path in python_files(*folders.split()):
        for name, line in imported_modules(path):
            top = name.partition(".")[0]
            if top not in sys.stdlib_module_names and top not in OURS | EXAMPLES_OWN:
                shared = [
                    package for prefix, package in SHARED.items() if f"{name}.".startswith(f"{prefix}.")
                ]
                for provider in shared[:1] or providers().get(top, [top]):
                    if LOADED_BY.get(relative(path)) == provider:
                        continue
                    found[distribution(provider)] = f"{relative(path)}:{line}"
    return found


@pytest.mark.parametrize(("folders", "extras"), PLACES.items())
def test_what_is_imported_is_declared(folders: str, extras: tuple[str, ...]) -> None:
    """No import relies on what another package happens to bring along."""
    missing = {name: place for name, place in imported(folders).items() if name not in declared(extras)}
    assert missing == {}


def test_what_is_declared_is_imported() -> None:
    """No user installs a package that nothing uses; the exceptions work without an import of ours."""
    # The driver behind SQLAlchemy's asyncio is the user's own choice.
    ours = {distribution(PROJECT["name"])}
    runtime = declared(("worker", "console", "outbox", "postgres", "embedded"))
    used = set(imported("producers")) | set(imported("worker migrations"))
    assert runtime - used - ours == set()


def test_constraints_pin_every_declared_package() -> None:
    """`make setup` installs the versions the suite was run with, also of what only developers need."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {distribution(line) for line in lines if "==" in line}
    everything = declared(tuple(EXTRAS)) - {distribution(PROJECT["name"])}
    assert everything - pinned == set()


def test_what_the_image_installs_is_pinned_by_hash() -> None:
    """Each package of the image has the version of the constraints and known hashes, and comes from no address."""
    text = (ROOT / "deploy/requirements.txt").read_text()
    hashes = r"((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)"
    entries = re.findall(rf"^(\S+)==(\S+)( ;.*)? \\\n{hashes}", text, re.MULTILINE)
    assert sum(1 + lines.count("\n") for *_, lines in entries) == text.count("\n")
    constraints = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {distribution(line): line.partition("==")[2] for line in constraints if "==" in line}
    # What is not pinned there is for other platforms than the one the suite runs on.
    assert {
        name for name, version, marker, _ in entries if pinned.get(name) != version and not marker
    } == set()
    image = declared(("worker", "console", "postgres", "outbox", "alerts", "otel")) - {
        distribution(PROJECT["name"])
    }
    assert image - {name for name, *_ in entries} == set(), "make hashes"
