"""The OpenAPI document says what the application does."""

import copy
from contextlib import closing
from typing import Any

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from gong_worker.ledger import Ledger, migrate, open_engine
from tests.integration.cli.letters import three_kinds
from tests.support.views import view
from tests.web.conftest import ALL_KEY, KEYS, MakeApp, TestClient

SEED = 20_260_701  # the same requests in each run; another seed finds what this one does not
WITHOUT_KEYS = ("/v1/views", "/healthz", "/readyz")
YEARS = r"^(?!0000|0001-01-01|9999-12-31)"


def _fuzzable(document: dict[str, Any]) -> dict[str, Any]:
    """The document with what a generator of requests has to know beside it.

    An array with one valid event is accepted; too many events are refused for their size, not their form. The
    first and the last day there is may lie outside of the calendar in UTC; numbers end where Python's do, and
    the exponent of a number in a text is given two digits, although as many are taken as a double reaches. What can be
    printed, as a part's name must, no pattern says.
    """
    document = copy.deepcopy(document)
    schemas = document["components"]["schemas"]
    content = document["paths"]["/v1/views"]["post"]["requestBody"]["content"]
    array = content["application/json"]["schema"]["anyOf"][1]
    array |= {"items": {}, "contains": array["items"]}
    del array["maxItems"]
    edited = document["paths"]["/v1/dead-letters/replay-edited"]["post"]["requestBody"]["content"]
    del edited["application/json"]["schema"]["anyOf"][1]["maxItems"]
    schemas["ViewEvent"]["properties"]["eventTimestamp"]["pattern"] = YEARS
    for operation in (one for path in document["paths"].values() for one in path.values()):
        for parameter in operation.get("parameters", ()):
            if parameter["schema"].get("format") == "date-time":
                parameter["schema"]["pattern"] = YEARS
    for name in ("since", "until"):
        schemas["FilterBody"]["properties"][name]["pattern"] = YEARS
    schemas["PartBody"]["properties"]["value"]["pattern"] = r"^[ -~]+$"
    numbers = schemas["Property"]["oneOf"][0]["properties"]["value"]["anyOf"]
    numbers[0] |= {"minimum": -1.7e308, "maximum": 1.7e308}
    numbers[1]["pattern"] = r"^[+-]?([0-9]{1,200}\.?[0-9]{0,200}|\.[0-9]{1,200})([eE][+-]?[0-9]{1,2})?$"
    return document


def _faults(app: Any, *, examples: int, keyed: bool) -> tuple[int, list[str]]:
    """How many requests a fuzzer made, and what it holds against the application."""
    settings: dict[str, Any] = {"seed": SEED, "generation": {"max-examples": examples}}
    if keyed:
        settings["generation"]["with-security-parameters"] = False
        settings["auth"] = {"openapi": {"apiKey": {"api_key": ALL_KEY}, "bearer": {"bearer": ALL_KEY}}}
    document = _fuzzable(app.openapi())
    if not keyed:  # the operators' routes are the same, and some refuse
        document["paths"] = {path: one for path, one in document["paths"].items() if path in WITHOUT_KEYS}
    app.openapi = lambda: document
    schema = schemathesis.openapi.from_asgi(
        "/openapi.json", app, config=SchemathesisConfig.from_dict(settings)
    )
    requests, faults = 0, []
    for event in from_schema(schema).execute():
        match event:
            case events.ScenarioFinished():
                requests += len(event.recorder.interactions)
                for case, checks in event.recorder.checks.items():
                    call = event.recorder.interactions[case]
                    faults += [
                        f"{check.name}: {check.failure_info.failure}\n{call.request.method} {call.request.uri} "
                        f"{call.request.body!r}\n-> {call.response and call.response.content!r}"
                        for check in checks
                        if check.failure_info is not None
                    ]
            case events.NonFatalError(value=SystemError() as error) if "AST constructor" in str(error):
                pass  # CPython 3.11's own: two threads that compile at once share one count of their depth
            case events.NonFatalError() | events.FatalError():
                faults.append(repr(event))
    return requests, faults


@pytest.mark.parametrize(("keyed", "examples"), [(False, 40), (True, 5)])
def test_a_fuzzer_finds_nothing(
    make_app: MakeApp, ledger_url: str, monkeypatch: pytest.MonkeyPatch, keyed: bool, examples: int
) -> None:
    """What the document allows is taken, what it forbids is refused, and every answer is as described."""
    monkeypatch.setattr("gong_worker.operations.reconcile.BETWEEN_SECONDS", 0.0)
    migrate(ledger_url)
    if keyed:
        with closing(Ledger(open_engine(ledger_url))) as ledger:
            three_kinds(ledger, 2)
    requests, faults = _faults(make_app(api_keys=KEYS if keyed else None), examples=examples, keyed=keyed)
    assert requests > 50
    assert faults == []


def test_keys_are_documented_when_they_are_needed(make_app: MakeApp) -> None:
    """The document asks for a key if, and only if, the application does."""
    for keys in (None, KEYS):
        with TestClient(make_app(api_keys=keys)) as client:
            document = client.get("/openapi.json").json()
        post = document["paths"]["/v1/views"]["post"]
        assert ("security" in post) == ("401" in post["responses"]) == (keys is not None)
        assert ("securitySchemes" in document["components"]) == (keys is not None)
        assert "security" not in document["paths"]["/readyz"]["get"]


def test_the_event_is_documented_as_it_is(make_app: MakeApp) -> None:
    """Each field of a full event is in the document under Gong's name."""
    with TestClient(make_app()) as client:
        schemas = client.get("/openapi.json").json()["components"]["schemas"]
    assert set(view(1)) <= set(schemas["ViewEvent"]["properties"])
    assert schemas["ViewEvent"]["additionalProperties"] is False
    assert "CrmContext" in schemas
