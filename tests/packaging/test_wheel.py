"""The built wheel, away from the checkout."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.processes import clean_environment

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as a release is."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    [built] = folder.glob("*.whl")
    return built


def run(
    arguments: list[str], cwd: Path, expect: int = 0, **environment: str
) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        arguments,
        cwd=cwd,
        env={**clean_environment(), **environment},
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done


def test_the_wheel_has_what_it_needs_and_nothing_else(wheel: Path) -> None:
    """Both packages with their types, scripts and migrations; no tests, and no top-level name of a stranger."""
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"gong_views", "gong_worker"}
    for needed in (
        "gong_views/py.typed",
        "gong_worker/py.typed",
        "gong_worker/queue/lua/pop.lua",
        "gong_worker/migrations/env.py",
    ):
        assert needed in names
    assert any(name.startswith("gong_worker/gate/lua/") for name in names)
    assert any(name.startswith("gong_worker/migrations/versions/") for name in names)


def test_the_metadata_tells_what_it_is_and_names_no_address(wheel: Path) -> None:
    """Classifiers, keywords and the supported Python are there; no field holds a URL."""
    archive = zipfile.ZipFile(wheel)
    [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
    head = archive.read(name).decode().partition("\n\n")[0]
    fields = [line.partition(": ") for line in head.splitlines()]
    assert {"Typing :: Typed", "Framework :: Celery"} <= {
        value for field, _, value in fields if field == "Classifier"
    }
    assert ("Requires-Python", ": ", ">=3.11") in fields and any(field == "Keywords" for field, *_ in fields)
    assert "://" not in head and not any(
        field in {"Home-page", "Project-URL", "Download-URL"} for field, *_ in fields
    )


def test_the_wheel_migrates_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """`gong-views migrate` finds its migrations inside the installed package."""
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    environment = {"PYTHONPATH": str(site), "DATABASE_URL": url}
    run([sys.executable, "-m", "gong_worker", "migrate"], tmp_path, **environment)
    where = "import gong_worker; print(gong_worker.__file__)"
    assert str(site) in run([sys.executable, "-c", where], tmp_path, **environment).stdout
    check = (
        "from gong_worker.ledger import *; import os; check_schema(open_engine(os.environ['DATABASE_URL']))"
    )
    run([sys.executable, "-c", check], tmp_path, **environment)


def test_the_base_install_is_enough_to_enqueue(wheel: Path, tmp_path: Path, redis_url: str) -> None:
    """Without extras a backend can enqueue; nothing of HTTP, SQL or web comes along; the command says what to add."""
    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    constraints = ["--constraint", str(ROOT / "constraints.txt")]
    run([str(python), "-m", "pip", "install", "--quiet", *constraints, str(wheel)], tmp_path)
    enqueue = (
        "from gong_views import enqueue_view\n"
        "print(enqueue_view({'reportingSystem': 's', 'eventTimestamp': '2026-01-05T09:00:00Z', 'contentId': 'c',"
        " 'contentUrl': 'https://x.example/c', 'contentTitle': 't'}).event_id)"
    )
    assert run([str(python), "-c", enqueue], tmp_path, REDIS_URL=redis_url).stdout.startswith("gv-")
    absent = "import importlib.util as u; print([m for m in {!r} if u.find_spec(m)])".format(
        ["httpx", "sqlalchemy", "alembic", "fastapi", "rich", "h11", "uvicorn"]
    )
    assert run([str(python), "-c", absent], tmp_path).stdout.strip() == "[]"
    said = run([str(home / "bin" / "gong-views"), "status"], tmp_path, expect=1, REDIS_URL=redis_url)
    assert "gong-views[worker]" in said.stderr
    outbox = run([str(python), "-c", "import gong_views.outbox"], tmp_path, expect=1)
    assert "gong-views[outbox]" in outbox.stderr


def test_a_hosts_celery_app_stays_the_current_one(redis_url: str, tmp_path: Path) -> None:
    """Importing and using the library leaves a host's own Celery application alone."""
    host = (
        "from celery import Celery, current_app\n"
        "app = Celery('host', broker='memory://')\n"
        "app.set_default()\n"
        "from gong_views import ViewQueue\n"
        "import os\n"
        "ViewQueue(os.environ['REDIS_URL']).enqueue({'reportingSystem': 's', 'eventTimestamp':"
        " '2026-01-05T09:00:00Z', 'contentId': 'c', 'contentUrl': 'https://x.example/c', 'contentTitle': 't'})\n"
        "assert current_app.main == 'host', current_app.main\n"
    )
    run([sys.executable, "-c", host], tmp_path, REDIS_URL=redis_url, PATH=os.environ["PATH"])
