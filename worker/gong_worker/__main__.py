"""The console script. The base install has it too, so it says what is missing instead of a traceback."""

import sys


def main() -> None:
    """Run the command line, or say which extra it needs."""
    try:
        from gong_worker.cli import run

        run()
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("gong_views", "gong_worker"):
            raise
        sys.exit(
            f"gong-views: {error.name} is not installed; pip install 'gong-views[worker]' for the commands"
        )


if __name__ == "__main__":
    main()
