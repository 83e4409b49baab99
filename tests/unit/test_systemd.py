"""The units of deploy/systemd, as far as they can be checked without a running systemd."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gong_worker.cli import COMMANDS
from gong_worker.settings import DEFAULT_REQUEST_TIMEOUT_SECONDS
from gong_worker.settings_registry import settings_classes

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))
OAUTH = FOLDER / "oauth"
COMMON = (FOLDER / "gong-views-.service.d" / "10-common.conf").read_text()


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_each_unit_runs_what_there_is_with_its_own_secrets(unit: Path) -> None:
    """Command and variables exist; each secret is loaded as a credential, from the folder of that unit alone."""
    text = unit.read_text()
    role = unit.stem.removeprefix("gong-views-").rstrip("@")
    [command] = re.findall(r"^ExecStart=/opt/gong-views/bin/gong-views (\S+)", text, re.MULTILINE)
    assert command in COMMANDS
    loaded = dict(re.findall(r"^LoadCredential=(\S+?):(\S+)$", text, re.MULTILINE))
    assert {str(Path(path).parent) for path in loaded.values()} == {f"/etc/gong-views/{role}"}
    variables = re.findall(r"^Environment=(.*)$", text + COMMON, re.MULTILINE)
    given = dict(word.split("=", 1) for line in variables for word in line.split())
    assert {value.removeprefix("%d/") for value in given.values() if value.startswith("%d/")} == set(loaded)
    known = {str(field.validation_alias) for one in settings_classes() for field in one.model_fields.values()}
    assert {name.removesuffix("_FILE") for name in given} - {"PYTHONDONTWRITEBYTECODE"} <= known
    assert any(name.startswith("GONG_ACCESS") for name in given) == (role == "worker")
    assert unit.name.startswith("gong-views-")  # or what is common to all would not count for it


def test_a_worker_with_oauth_has_its_secrets_and_no_access_key() -> None:
    """The drop-in gives a worker the files of its client and its key, and takes those of the access key away."""
    unit = (FOLDER / "gong-views-worker@.service").read_text()
    [drop_in] = OAUTH.glob("gong-views-worker@.service.d/*.conf")
    text = drop_in.read_text()
    assert text.index("LoadCredential=\n") < text.index("LoadCredential=redis-url")
    loaded = dict(re.findall(r"^LoadCredential=(\S+?):(\S+)$", text, re.MULTILINE))
    assert loaded == {name: f"/etc/gong-views/worker/{name}" for name in loaded}
    given = dict(
        word.split("=", 1)
        for line in re.findall(r"^Environment=(.*)$", unit + text, re.MULTILINE)
        for word in line.split()
    )
    [taken] = re.findall(r"^UnsetEnvironment=(.*)$", text, re.MULTILINE)
    for name in taken.split():
        assert given.pop(name)
    assert {value.removeprefix("%d/") for value in given.values() if value.startswith("%d/")} == set(loaded)
    known = {str(field.validation_alias) for one in settings_classes() for field in one.model_fields.values()}
    assert {name.removesuffix("_FILE") for name in given} <= known
    assert {"GONG_OAUTH_CLIENT_ID_FILE", "GONG_OAUTH_CLIENT_SECRET_FILE", "GONG_OAUTH_KEY_FILE"} <= set(given)
    assert not any(name.startswith("GONG_ACCESS") for name in given)


def test_a_worker_may_finish_its_call() -> None:
    """systemd waits for longer than the longest call before it kills."""
    [seconds] = re.findall(r"^TimeoutStopSec=(\d+)$", COMMON, re.MULTILINE)
    assert int(seconds) > DEFAULT_REQUEST_TIMEOUT_SECONDS


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on PATH")
@pytest.mark.parametrize("oauth", [False, True], ids=["access key", "oauth"])
def test_systemd_understands_each_unit(tmp_path: Path, oauth: bool) -> None:
    """No unknown setting, no missing program; what each may reach is little, by systemd's own reckoning."""
    for folder in (FOLDER, OAUTH) if oauth else (FOLDER,):
        shutil.copytree(folder, tmp_path / "etc/systemd/system", dirs_exist_ok=True)
    program = tmp_path / "opt/gong-views/bin/gong-views"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    names = [unit.name.replace("@", "@1") for unit in UNITS]
    for target in ("network-online", "sysinit", "basic", "multi-user", "shutdown"):
        (tmp_path / f"etc/systemd/system/{target}.target").write_text("[Unit]\n")
    asked = ["systemd-analyze", f"--root={tmp_path}"]
    said = subprocess.run([*asked, "--man=no", "verify", *names], capture_output=True, text=True)
    assert (said.returncode, said.stderr) == (0, "")
    exposed = [*asked, "security", "--offline=true", "--threshold=20", "--no-pager", *names]
    judged = subprocess.run(exposed, capture_output=True, text=True)
    assert judged.returncode == 0, judged.stdout[-2000:]
