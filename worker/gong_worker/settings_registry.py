"""All settings classes of the project, and the refusal of a variable that none of them knows."""

import difflib
import importlib
from collections.abc import Iterable, Iterator

from gong_views.environment import ENV_FILE, FILE_SUFFIX, read_variables
from gong_views.errors import SettingsError
from gong_views.settings import Settings, is_secret

PREFIX = "GONG_VIEWS_"
TEST_PREFIX = "GONG_VIEWS_TEST_"

# Loaded when needed, the slow ones last: most commands need one or two of them.
CLASSES = (
    "gong_worker.settings:WorkerSettings",
    "gong_worker.settings:LogSettings",
    "gong_worker.alerts_settings:AlertSettings",
    "gong_worker.outbox_relay:RelaySettings",
    "gong_worker.web.settings:WebSettings",
    "gong_worker.console.settings:ConsoleSettings",
)


def settings_classes() -> Iterator[type[Settings]]:
    """Every class whose fields are variables; ProducerSettings is the root of most of them."""
    for place in CLASSES:
        module, _, name = place.partition(":")
        cls: type[Settings] = getattr(importlib.import_module(module), name)
        yield cls


def refuse_unknown() -> None:
    """Raise SettingsError for each GONG_VIEWS_* variable that is set and that nothing reads."""
    if errors := unknown_variables(read_variables()):
        raise SettingsError("\n".join(errors))


def unknown_variables(names: Iterable[str]) -> list[str]:
    """One text for each of these GONG_VIEWS_* variables that no settings class has."""
    unknown = {name for name in names if name.startswith(PREFIX) and not name.startswith(TEST_PREFIX)}
    unknown.discard(ENV_FILE)
    known: set[str] = set()
    for cls in settings_classes():
        if not unknown:
            return []
        known |= _variables(cls)
        unknown -= known
    return [_text(name, known) for name in sorted(unknown)]


def _variables(cls: type[Settings]) -> set[str]:
    names = set()
    for field in cls.model_fields.values():
        name = str(field.validation_alias)
        names |= {name, name + FILE_SUFFIX} if is_secret(field) else {name}
    return names


def _text(name: str, known: set[str]) -> str:
    stems = {one.removeprefix(PREFIX) for one in known if one.startswith(PREFIX)}
    close = difflib.get_close_matches(name.removeprefix(PREFIX), stems, n=1, cutoff=0.6)
    hint = (
        f"did you mean {PREFIX}{close[0]}?"
        if close
        else "remove it; `gong-views check` lists those there are"
    )
    return f"{name}: there is no such setting; {hint}"
