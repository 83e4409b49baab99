"""Finds the queue server that `gong-views up` (or a worker without REDIS_URL) runs in the data directory.

Nothing here starts a process or makes a file: see gong_worker.embedded_server for that. The server listens on a
unix socket; where it is stands in `valkey.json`, which stays when the server stops.
"""

import json
from pathlib import Path
from urllib.parse import unquote, urlsplit

from gong_views.errors import SettingsError
from gong_views.settings import ProducerSettings

RECORD = "valkey.json"


def redis_url_of(settings: ProducerSettings) -> str:
    """The queue's URL: `REDIS_URL`, or that of the data directory's embedded server, running or not.

    Raises SettingsError, which says what to set, when there is neither.
    """
    if settings.redis_url is not None:
        return settings.redis_url.get_secret_value()
    data_dir = settings.data_dir.resolve()
    url = recorded_url(data_dir)
    if url is None:
        raise SettingsError(
            f"no queue: REDIS_URL is not set, and {data_dir} holds no embedded queue server. Set REDIS_URL to "
            "your Redis; or set GONG_VIEWS_DATA_DIR to the data directory in which `gong-views up` runs"
        )
    return url


def recorded_url(data_dir: Path) -> str | None:
    """The URL of the embedded server that was started in this directory last; None if there never was one.

    Raises SettingsError when the directory is barred, or when others could put a server of theirs there.
    """
    try:
        record = json.loads((data_dir / RECORD).read_text())
        url = str(record["url"])
    except PermissionError as error:
        raise SettingsError(
            f"GONG_VIEWS_DATA_DIR: {error.filename} may not be read by this user: run this as the user of "
            "`gong-views up`, or set REDIS_URL"
        ) from None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    folder = Path(unquote(urlsplit(url).path)).parent
    if url.startswith("unix:") and folder.exists() and folder.stat().st_mode & 0o022:
        raise SettingsError(
            f"others may write to {folder}, where the embedded queue server listens: chmod 700 {folder}"
        )
    return url
