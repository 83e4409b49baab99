"""Being told to stop is no failure."""

import signal


def end_well_when_told() -> None:
    """SIGTERM and SIGINT do no more than stop uvicorn, which raises them again once it has shut down in order."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
