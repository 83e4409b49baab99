"""Dark or light: as the system has it until a user chooses; the choice is kept in the browser, as a cookie."""

from typing import Final

from nicegui import context, ui

from gong_worker.console.widgets import Text

COOKIE: Final = "gong-views-theme"
_DARK: Final = {"system": None, "light": False, "dark": True}


class ThemeSwitch:
    """A button that goes from one to the next."""

    def __init__(self) -> None:
        chosen = context.client.request.cookies.get(COOKIE, "")
        self._name = chosen if chosen in _DARK else "system"
        self._mode = ui.dark_mode(_DARK[self._name])
        self._button = Text("button", f"Theme: {self._name}").props("type=button")
        self._button.on("click", self._go_on)

    def _go_on(self) -> None:
        names = list(_DARK)
        self._name = names[(names.index(self._name) + 1) % len(names)]
        self._mode.value = _DARK[self._name]
        self._button.show(f"Theme: {self._name}")
        ui.run_javascript(f"gongViewsTheme('{self._name}')")
