"""The console script. The base install has it too, so it says what is missing instead of a traceback."""

import atexit
import gc
import signal
import sys

INTERRUPTED = 130
# A new object in so many is looked at for garbage; by default 700, which takes a tenth of the time of a short command.
GARBAGE_THRESHOLD = 10_000


def main() -> None:
    """Run the command line, or say which extra it needs. Ctrl-C is one line and 130, in the imports too."""
    gc.set_threshold(GARBAGE_THRESHOLD)
    # Once all is done and every thread has ended, Ctrl-C has nothing to stop and must not become the exit code.
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
    try:
        from gong_worker.cli import run

        run()
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("gong_views", "gong_worker"):
            raise
        sys.exit(
            f"gong-views: {error.name} is not installed; pip install 'gong-views[worker]' for the commands"
        )
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
