"""Foreign text can neither move the cursor, nor forge a line, nor name a person."""

import json
import logging

import pytest

from gong_worker.cli.output import cell_text, facts, table
from gong_worker.display import escape_controls, foreign_id, json_text
from gong_worker.logs import formatter

HOSTILE = "a\x1b[2Jb\u202ec\u009bd\nlevel=error"


def record(**fields: object) -> logging.LogRecord:
    made = logging.LogRecord("gong_worker", logging.INFO, __file__, 1, "message", None, None)
    vars(made).update(fields)
    return made


def test_controls_are_shown_escaped() -> None:
    """Control and direction characters are escaped, in text, in JSON (which stays the same value) and in logs."""
    assert escape_controls(HOSTILE) == "a\\x1b[2Jb\\u202ec\\x9bd\\nlevel=error"
    assert escape_controls("Zo\u00eb 3 \u20ac") == "Zo\u00eb 3 \u20ac"
    for indent in (None, 2):
        text = json_text({HOSTILE: [HOSTILE, "\U000e0001"]}, indent=indent)
        assert all(line.isprintable() for line in text.split("\n"))
        assert json.loads(text) == {HOSTILE: [HOSTILE, "\U000e0001"]}
    for as_json in (False, True):
        line = formatter(as_json=as_json).format(record(action="x", error=HOSTILE))
        assert line.isprintable()
    assert cell_text(["a\x1b", "b"]) == "a\\x1b; b"


def test_markup_is_data(capsys: pytest.CaptureFixture[str]) -> None:
    """Square brackets of an event id or of Gong's words are shown as they are, whatever rich makes of them."""
    table(("id", "errors"), [("[/b]", ["[contentId] is unknown"]), ("[red]x[/red]", None)])
    facts({"event_id": "[/b]"})
    shown = capsys.readouterr().out
    for text in ("[/b]", "[contentId] is unknown", "[red]x[/red]"):
        assert text in shown


@pytest.mark.parametrize("name", ["event_id", "request_id", "message_id"])
def test_ids_of_others_are_shown_only_when_they_look_like_ids(name: str) -> None:
    """An address, a name or a long text in place of an id is a digest in the log, the same each time."""
    for seen in ("view-84213", "4b5f:req/7|x", "9f2c0d1e-0000-4000-8000-000000000000"):
        assert f"{name}={seen}" in formatter().format(record(**{name: seen}))
    for hidden in ("dana@globex.example", "Dana Whitfield", "x" * 200, "\u0434\u0430\u043d\u0430"):
        line = formatter().format(record(**{name: hidden}))
        assert hidden not in line
        assert foreign_id(hidden) in line
        assert foreign_id(hidden).startswith("sha256:")
