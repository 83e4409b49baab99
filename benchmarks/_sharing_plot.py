"""Both rates over time."""

from pathlib import Path

from benchmarks._sharing import Calls, Server

SMOOTH_SECONDS = 4.0


def plot(found: tuple[Server, list[tuple[str, float, float]]], rate: int, path: Path) -> None:
    """Accepted calls a second of both, over the last few seconds, with every refusal; the phases named."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    server, phases = found
    end = phases[-1][2]
    moments = [number / 2 for number in range(int(SMOOTH_SECONDS * 2), int(end * 2) + 1)]
    figure, (above, below) = pyplot.subplots(
        2, 1, figsize=(10, 4.2), sharex=True, gridspec_kw={"height_ratios": [5, 1]}
    )
    sides = (
        (server.ours, "#2b6cb0", "gong-views"),
        (server.theirs + server.again, "#dd6b20", "the other integration"),
    )
    for calls, colour, name in sides:
        above.plot(moments, _rates(calls, moments), color=colour, linewidth=1.5, label=name)
    above.axhline(rate, color="#718096", linewidth=0.8, linestyle="--")
    for name, begin, finish in phases:
        above.axvline(begin, color="#cbd5e0", linewidth=0.8)
        above.text((begin + finish) / 2, rate + 0.28, name, ha="center", fontsize=8)
    above.set_ylim(0, rate + 0.6)
    above.set_ylabel(f"calls/s (mean of {SMOOTH_SECONDS:g} s)", fontsize=8)
    above.legend(loc="lower left", fontsize=8, frameon=False, ncols=2)
    for row, (calls, colour, _) in enumerate(sides):
        refused = [at for at, good in calls if not good]
        below.scatter(refused, [-row] * len(refused), color=colour, marker="x", s=18)
    below.set_ylim(-1.6, 0.6)
    below.set_yticks([])
    below.set_ylabel("refused", fontsize=8)
    below.set_xlabel(
        f"seconds; a server that allows {rate} calls in any second and answers 429 with Retry-After 1",
        fontsize=8,
    )
    below.set_xlim(0, end)
    for axis in (above, below):
        for side in ("right", "top"):
            axis.spines[side].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def _rates(calls: Calls, moments: list[float]) -> list[float]:
    good = [at for at, accepted in calls if accepted]
    return [sum(now - SMOOTH_SECONDS < at <= now for at in good) / SMOOTH_SECONDS for now in moments]
