"""The simulator's own judgement of a request body, written from Gong's OpenAPI document and nothing of ours.

It must stay independent of `gong_views.ViewEvent`: two readings of one contract catch each other's mistakes.
Where the document is loose (unknown fields, nulls) this is strict. The two enums that the document writes
as one comma-separated string each (`agentPlatform`, `dataType`) are read as their several values.
Messages name fields, never values: values may be personal.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

Check = Callable[[Any, str, list[str]], None]

_TIMESTAMP = re.compile(
    r"(?P<head>\d{4}-\d\d-\d\dT\d\d:\d\d)(?P<seconds>:\d\d(\.\d{1,9})?)?(Z|[+-](?P<hours>\d\d):\d\d)",
    re.ASCII,
)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/]+\S*")
# java.time.ZoneOffset knows no offset beyond 18 hours, and Gong's examples are Java's ISO form.
_MAX_OFFSET_HOURS = 18


def text(value: Any, path: str, problems: list[str]) -> None:
    if not isinstance(value, str):
        problems.append(f"{path}: must be a string")
    elif not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        problems.append(f"{path}: holds half of a surrogate pair")


def timestamp(value: Any, path: str, problems: list[str]) -> None:
    match = _TIMESTAMP.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        problems.append(f"{path}: must be an ISO-8601 date and time with an offset")
        return
    try:
        datetime.fromisoformat(match["head"] + (match["seconds"] or "")[:3])
        in_range = int(match["hours"] or 0) <= _MAX_OFFSET_HOURS and int(value[-2:].strip("Z:") or 0) < 60
    except ValueError:
        in_range = False
    if not in_range:
        problems.append(f"{path}: is no date and time that exists")


def anything(value: Any, path: str, problems: list[str]) -> None:
    if value is None:
        problems.append(f"{path}: must not be null")


def one_of(*allowed: str) -> Check:
    def check(value: Any, path: str, problems: list[str]) -> None:
        if not isinstance(value, str) or value not in allowed:
            problems.append(f"{path}: must be one of {', '.join(repr(name) for name in allowed)}")

    return check


def list_of(item: Check) -> Check:
    def check(value: Any, path: str, problems: list[str]) -> None:
        if not isinstance(value, list):
            problems.append(f"{path}: must be an array")
            return
        for index, entry in enumerate(value):
            item(entry, f"{path}[{index}]", problems)

    return check


def shape(fields: Mapping[str, Check], *required: str) -> Check:
    """An object with these fields, `required` among them present, and no others."""

    def check(value: Any, path: str, problems: list[str]) -> None:
        if not isinstance(value, dict):
            problems.append(f"{path or 'body'}: must be an object")
            return
        prefix = f"{path}." if path else ""
        problems.extend(f"{prefix}{name}: is required" for name in required if name not in value)
        for name, inner in value.items():
            field = fields.get(name)
            if field is None:
                problems.append(f"{prefix}{name}: is not a field of this object")
            elif inner is None:
                problems.append(f"{prefix}{name}: must not be null")
            else:
                field(inner, f"{prefix}{name}", problems)

    return check


_PROPERTY = shape(
    {"name": text, "value": anything, "dataType": one_of("number", "string", "url", "date")},
    *("dataType", "name", "value"),
)


def generic_property(value: Any, path: str, problems: list[str]) -> None:
    before = len(problems)
    _PROPERTY(value, path, problems)
    if len(problems) > before:
        return
    inner = value["value"]
    match value["dataType"]:
        case "number":
            if isinstance(inner, bool) or not isinstance(inner, int | float):
                problems.append(f"{path}.value: must be a JSON number")
        case "date":
            timestamp(inner, f"{path}.value", problems)
        case "url":
            if not isinstance(inner, str) or not _URL.fullmatch(inner):
                problems.append(f"{path}.value: must be a URL")
        case _:
            text(inner, f"{path}.value", problems)


def crm_context(*object_types: str) -> Check:
    field = shape({"name": text, "value": anything})
    crm_object = shape(
        {"objectType": one_of(*object_types), "objectId": text, "fields": list_of(field)},
        *("objectId", "objectType"),
    )
    system = one_of("Salesforce", "HubSpot", "MicrosoftDynamic", "Generic")
    return shape({"system": system, "objects": list_of(crm_object)}, "system")


_PARTY = crm_context("Lead", "Contact", "Account", "Opportunity", "User", "Lead,Contact")
_CALL = crm_context("Opportunity", "Account", "Lead", "Contact", "User", "Opportunity,Account")
_ACTOR = shape({"email": text, "name": text, "title": text, "context": list_of(_PARTY)})

_EVENT = shape(
    {
        "reportingSystem": text,
        "eventTimestamp": timestamp,
        "eventId": text,
        "contentId": text,
        "contentUrl": text,
        "contentTitle": text,
        "viewActionTitle": text,
        "shareId": text,
        "viewInfoUrl": text,
        "viewer": _ACTOR,
        "crmContext": list_of(_CALL),
        "contentProperties": list_of(generic_property),
        "eventProperties": list_of(generic_property),
        "userAgent": text,
        "mobileAppId": text,
        "agentPlatform": one_of("Windows", "Linux", "MacOS", "iOS", "Android"),
        "workspaceId": text,
        "trackingId": text,
        "nonCompanyParticipants": list_of(_ACTOR),
        "moreInfoUrl": text,
        "actionName": text,
        "sharer": shape({"id": text, "email": text, "name": text}),
        "sharingMessageSubject": text,
        "sharingMessageBody": text,
    },
    *("contentId", "contentTitle", "contentUrl", "eventTimestamp", "reportingSystem"),
)


def problems_of(body: Any) -> list[str]:
    """What is wrong with a parsed body, one line a problem; empty when Gong's contract is kept."""
    problems: list[str] = []
    _EVENT(body, "", problems)
    if isinstance(body, dict):
        if "eventId" not in body:
            problems.append("eventId: is required (without it a repeat cannot be told from a second view)")
        if "viewer" in body and body.get("trackingId") is not None:
            problems.append("trackingId: must be absent when a viewer is sent")
    return problems


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a field is given twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def parse(body: bytes) -> Any:
    """The JSON value in UTF-8 `body`; ValueError when it is none (also for NaN and repeated fields)."""
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None
