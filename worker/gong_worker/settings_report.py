"""Every setting with its value and where it came from, for people: what is secret in one is not shown."""

import re
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from pydantic import SecretStr

from gong_views.environment import read_variables
from gong_views.errors import SettingsError
from gong_worker.settings_registry import settings_classes

HIDDEN = "set, not shown"
_SECRET_OPTION = re.compile("pass|secret|token|key", re.IGNORECASE)


def settings_report() -> dict[str, dict[str, Any]]:
    """`value` and `origin` by variable, of every settings class that can be read."""
    report: dict[str, dict[str, Any]] = {}
    for cls in settings_classes():
        try:
            settings, found = cls.load(), cls.found(read_variables())
        except SettingsError:
            continue
        for name, field in cls.model_fields.items():
            variable = str(field.validation_alias)
            origin = found[variable].origin if variable in found else "default"
            report[variable] = {"value": _shown(variable, getattr(settings, name)), "origin": origin}
    return dict(sorted(report.items()))


def _shown(variable: str, value: Any) -> int | float | str | None:
    if isinstance(value, SecretStr):
        return masked_url(value.get_secret_value()) if variable.endswith("_URL") else HIDDEN
    return value if isinstance(value, int | float | None) else str(value)


def masked_url(url: str) -> str:
    """A URL without its password, and without what its options hold of secrets; user, host and path are shown.

    Where a password holds what ends a host in other URLs, nothing is shown.
    """
    if "#" in url or ("@" in url and "@" not in urlsplit(url).netloc):
        return HIDDEN
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        return HIDDEN
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    user = (parts.username or "") + (":***" if parts.password is not None else "")
    place = f"{user}@{host}{port}" if user else f"{host}{port}"
    options = [
        (name, "***" if _SECRET_OPTION.search(name) else value) for name, value in parse_qsl(parts.query)
    ]
    query = f"?{urlencode(options, safe='*/:')}" if options else ""
    return f"{parts.scheme}://{place}{parts.path}{query}"
