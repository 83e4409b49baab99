"""The variables that settings are read from: the environment, a named file of variables, files with one secret.

A file of variables (NAME=value lines) is read only when GONG_VIEWS_ENV_FILE names it: one that happens to lie in
the working directory decides nothing. A secret X may stand in a file of its own that X_FILE names.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

from gong_views.errors import SettingsError

ENV_FILE = "GONG_VIEWS_ENV_FILE"
#: The name of the variable that names the file of a secret: REDIS_URL_FILE for REDIS_URL.
FILE_SUFFIX = "_FILE"


@dataclass(frozen=True, slots=True)
class Found:
    """A variable's value, and where it came from, in words."""

    value: str
    origin: str


def read_variables() -> dict[str, Found]:
    """Every variable that is set; the environment goes before the named file, and a blank one counts as unset.

    Raises SettingsError when the file that GONG_VIEWS_ENV_FILE names cannot be read.
    """
    found: dict[str, Found] = {}
    path = os.environ.get(ENV_FILE, "").strip()
    if path:
        try:
            with Path(path).open(encoding="utf-8") as file:
                named = dotenv_values(stream=file, interpolate=False)
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{ENV_FILE}: {path} cannot be read ({_why(error)})") from None
        found = {name: Found(value or "", f"file {path}") for name, value in named.items()}
    found |= {name: Found(value, "environment") for name, value in os.environ.items()}
    return {name: one for name, one in found.items() if one.value.strip()}


def find_secret(variables: Mapping[str, Found], name: str) -> Found | None:
    """A secret's value: of its variable, or of the file that `<name>_FILE` names, without the line's end.

    Raises SettingsError when both are set, and when the file cannot be read or is empty.
    """
    own, file = variables.get(name), variables.get(name + FILE_SUFFIX)
    if file is None:
        return own
    if own is not None:
        raise SettingsError(f"{name} and {name}{FILE_SUFFIX} are both set: keep one of them")
    try:
        value = Path(file.value).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}{FILE_SUFFIX}: {file.value} cannot be read ({_why(error)})") from None
    if not value.strip():
        raise SettingsError(f"{name}{FILE_SUFFIX}: {file.value} is empty")
    return Found(value, f"file {file.value}")


def _why(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or "unknown") if isinstance(error, OSError) else "it is no UTF-8 text"
