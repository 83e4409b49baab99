"""What a user reads when an event is wrong: every place, the mend, and nobody's data."""

import json
import pickle
import traceback
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from gong_views import Actor, InvalidViewEvent, ViewEvent
from tests.contract.examples import REQUIRED, full

SECRET = "Dana Scully dana@fbi.example"


def errors_of(event: Any) -> InvalidViewEvent:
    with pytest.raises(InvalidViewEvent) as caught:
        ViewEvent.parse(event)
    return caught.value


def test_every_error_is_told_at_once_a_line_each() -> None:
    """One look shows all that is to be mended, by Gong's names, also when the event was snake_case."""
    wrong = {**REQUIRED, "content_id": 1, "viewer": {"emial": "x", "context": [{"system": 1}]}}
    del wrong["contentId"]
    error = errors_of(wrong)
    assert [found["field"] for found in error.errors] == [
        "contentId",
        "viewer.context[0].system",
        "viewer.emial",
    ]
    assert str(error).splitlines() == [f"{found['field']}: {found['message']}" for found in error.errors]
    assert isinstance(error, ValueError)


def test_constructing_raises_the_same_error_as_parsing() -> None:
    """`ViewEvent(...)`, `Actor(...)` and `parse` speak alike; pydantic's own error never shows."""
    with pytest.raises(InvalidViewEvent, match=r"^contentTitel: is not a field; did you mean contentTitle\?"):
        ViewEvent(**REQUIRED, contentTitel="x")
    with pytest.raises(InvalidViewEvent, match=r"^emial: is not a field; did you mean email\?"):
        Actor(emial="x")


def test_a_typo_is_answered_with_the_right_name() -> None:
    """The mend of a misspelt field is its name, the mend of a stranger is to remove it."""
    assert errors_of({**REQUIRED, "EventID": "1"}).errors[0]["message"].endswith("did you mean eventId?")
    assert errors_of({**REQUIRED, "share_ID": "1"}).errors[0]["message"].endswith("did you mean shareId?")
    assert errors_of({**REQUIRED, "colour": "1"}).errors[0]["message"].endswith("remove it")


def test_a_field_given_in_both_spellings_is_told() -> None:
    """Neither of two values is dropped silently."""
    assert str(errors_of({**REQUIRED, "content_id": "2"})) == (
        "contentId: is given twice, as contentId and content_id; keep one"
    )


def _spoilt(value: Any) -> Any:
    """Each place of the event once with a wrong value that is personal."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield {**value, key: [SECRET]}
            yield {**value, key: {SECRET: SECRET}}
            yield {**value, key: f"{SECRET}\ud800"}
            yield from ({**value, key: deeper} for deeper in _spoilt(item))
        yield {**value, SECRET: SECRET}
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from ([*value[:index], deeper, *value[index + 1 :]] for deeper in _spoilt(item))
    else:
        yield SECRET


def test_no_error_holds_a_persons_data() -> None:
    """Whatever is wrong and wherever it is: not in the text, the list, the repr, the traceback or the chain."""
    refused = 0
    for event in _spoilt(full()):
        try:
            ViewEvent.parse(event)
        except InvalidViewEvent as error:
            refused += 1
            shown = "".join(traceback.format_exception(error))
            for text in (str(error), repr(error), json.dumps(error.errors), shown):
                assert "Dana" not in text
                assert "dana@" not in text
            assert error.__cause__ is None
            assert error.__context__ is None
    assert refused > 100


def test_a_name_that_may_be_data_is_not_shown() -> None:
    """A field's name is told unless it could not be one: a line break or an address in it is somebody's data."""
    assert errors_of({**REQUIRED, "a\nb": 1}).errors[0]["field"] == "(a name not shown)"
    assert (
        errors_of({**REQUIRED, "viewer": {"dana@fbi.example": 1}}).errors[0]["field"]
        == "viewer.(a name not shown)"
    )


def test_choices_and_times_are_shown() -> None:
    """Where the value helps and is nobody's, it is in the message."""
    assert '"windows"' in str(errors_of({**REQUIRED, "agentPlatform": "windows"}))
    assert "2021-08-01T08:00:00" in str(errors_of({**REQUIRED, "eventTimestamp": "2021-08-01T08:00:00"}))


def test_reprs_hold_no_persons_data() -> None:
    """Reprs land in logs: an event shows its key, a part nothing."""
    event = ViewEvent.parse({**full(), "eventId": "e-1", "viewer": {"name": SECRET}})
    for text in (repr(event), str(event), f"{event}", repr(event.viewer), repr([event.sharer])):
        assert SECRET not in text
    assert repr(event) == "ViewEvent(reporting_system='crm-7', event_id='e-1')"
    assert "a@example.com" not in repr(event.sharer)


def test_an_event_does_not_change() -> None:
    """Frozen: what was validated is what is sent."""
    event = ViewEvent.parse(full())
    with pytest.raises(ValidationError):
        event.content_id = "x"  # type: ignore[misc]
    assert isinstance(event.crm_context, tuple)


def test_the_error_survives_pickling() -> None:
    """Process pools send exceptions that way."""
    error = errors_of({})
    assert pickle.loads(pickle.dumps(error)).errors == error.errors


def test_a_broken_export_does_not_flood_the_log() -> None:
    """A hundred thousand errors are told as the first fifty and a count."""
    error = errors_of({**REQUIRED, "crmContext": [1] * 100_000})
    assert len(error.errors) == 51
    assert "99950 more" in error.errors[-1]["message"]


def test_inside_a_hosts_own_model_the_paths_are_whole() -> None:
    """A backend may nest a ViewEvent in its own pydantic model: errors carry their full path there."""
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(list[ViewEvent]).validate_python([{**REQUIRED, "viewer": {"emial": "x"}}])
    assert caught.value.errors()[0]["loc"] == (0, "viewer", "emial")
