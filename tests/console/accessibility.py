"""axe-core on a page."""

from importlib.resources import files

from playwright.sync_api import Page

from tests.console.served import connected

_AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text()


def faults(page: Page, within: str = "html") -> list[str]:
    """What axe-core finds serious or critical, each with the element."""
    page.evaluate(_AXE)
    found = page.evaluate("(within) => axe.run(within, {resultTypes: ['violations']})", within)
    connected(page)  # the search may have kept the page from answering the server
    return [
        f"{one['impact']} {one['id']}: {node['html'][:200]} ({node['failureSummary']})"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
