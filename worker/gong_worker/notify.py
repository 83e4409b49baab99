"""Sending a text to a person, by Apprise: the only module that knows it."""

import logging
from typing import Any

from gong_views.errors import SettingsError


def send(address: str, title: str, text: str) -> bool:
    """Send to one Apprise address; whether it was delivered. Raises SettingsError without Apprise."""
    target = _apprise()
    return bool(target.add(address) and target.notify(body=text, title=title))


def refuse_unknown(addresses: list[str]) -> None:
    """Raise SettingsError for an address that Apprise does not understand, or when it is not installed."""
    for number, address in enumerate(addresses, start=1):
        if not _apprise().add(address):
            scheme = address.partition("://")[0]
            raise SettingsError(
                f"GONG_VIEWS_ALERT_URLS: address {number} ({scheme}://…) is none that Apprise understands: its "
                "documentation lists them by service"
            )


def _apprise() -> Any:
    try:
        from apprise import Apprise  # slow to import, and needed by those alone who have alerts
    except ImportError:
        raise SettingsError(
            "GONG_VIEWS_ALERT_URLS needs Apprise: install gong-views[alerts], or unset it"
        ) from None
    # Its log may quote addresses, which hold secrets.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    return Apprise()
