"""A wall clock that a test may step for one process: a shared library, preloaded, compiled when first needed.

Only CLOCK_REALTIME moves, as it does when NTP or an operator sets a machine's clock; the monotonic clock, and
with it every timeout, stays right. The offset is read at each call from a file that the process has mapped.
"""

import shutil
import struct
import subprocess
import tempfile
from functools import cache
from pathlib import Path

SOURCE = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *offset_seconds;

__attribute__((constructor)) static void map_offset(void) {
    const char *path = getenv("CLOCK_SHIM_FILE");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *page = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (page != MAP_FAILED) offset_seconds = page;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    if (!failed && offset_seconds && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += *offset_seconds;
    return failed;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec exact;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &exact)) return -1;
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *result) {
    struct timespec exact;
    if (clock_gettime(CLOCK_REALTIME, &exact)) return -1;
    if (result) *result = exact.tv_sec;
    return exact.tv_sec;
}
"""


def have_compiler() -> bool:
    """Whether the library can be built here."""
    return shutil.which("cc") is not None


@cache
def library() -> Path:
    """The compiled library; the folder goes with the machine's temporary files."""
    folder = Path(tempfile.mkdtemp(prefix="gong-views-clock-"))
    built = folder / "clock_shim.so"
    command = ["cc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-x", "c", "-", "-o", str(built)]
    subprocess.run(command, input=SOURCE, text=True, check=True)
    return built


class SteppedClock:
    """One process's wall clock: start it with `environment`, then `step` whenever you like."""

    def __init__(self, file: Path) -> None:
        self.file = file
        file.write_bytes(struct.pack("=q", 0))

    @property
    def environment(self) -> dict[str, str]:
        """What the process needs to be started with."""
        return {"LD_PRELOAD": str(library()), "CLOCK_SHIM_FILE": str(self.file)}

    def step(self, seconds: int) -> None:
        """Set the clock this many seconds ahead of the right time (behind, when negative)."""
        with self.file.open("r+b") as file:
            file.write(struct.pack("=q", seconds))
