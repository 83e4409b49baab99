"""Gong's contract as we read it, written down once more: every field, its place, and values that it takes."""

from typing import Any

REQUIRED: dict[str, Any] = {
    "reportingSystem": "docs",
    "eventTimestamp": "2021-02-17T02:30:00-08:00",
    "contentId": "doc_1",
    "contentUrl": "https://example.com/doc_1",
    "contentTitle": "Features & Spec",
}

# snake_case, camelCase, two values of it
EVENT: list[tuple[str, str, Any, Any]] = [
    ("reporting_system", "reportingSystem", "crm-7", " padded "),
    ("event_timestamp", "eventTimestamp", "2021-08-01T08:00:00Z", "2021-08-01T02:30:00.250+05:00"),
    ("event_id", "eventId", "e-1", "ü/1"),
    ("content_id", "contentId", "1", "doc 2"),
    ("content_url", "contentUrl", "https://example.com/x", "no url at all"),
    ("content_title", "contentTitle", "Prix €", ""),
    ("view_action_title", "viewActionTitle", "Document Viewed", ""),
    ("share_id", "shareId", "s-1", "\0"),
    ("view_info_url", "viewInfoUrl", "https://example.com/info", ""),
    ("viewer", "viewer", {"email": "a@example.com"}, {}),
    ("crm_context", "crmContext", [{"system": "Generic"}], []),
    ("content_properties", "contentProperties", [{"name": "n", "dataType": "string", "value": ""}], []),
    ("event_properties", "eventProperties", [{"name": "n", "dataType": "number", "value": 3.14}], []),
    ("user_agent", "userAgent", "Mozilla/5.0", ""),
    ("mobile_app_id", "mobileAppId", "com.example.app", ""),
    ("agent_platform", "agentPlatform", "iOS", "Windows"),
    ("workspace_id", "workspaceId", "623457276584334", ""),
    ("tracking_id", "trackingId", "t-1", ""),
    ("non_company_participants", "nonCompanyParticipants", [{"name": "Dana"}, {}], []),
    ("more_info_url", "moreInfoUrl", "https://example.com/more", ""),
    ("action_name", "actionName", "viewed", ""),
    ("sharer", "sharer", {"id": "1"}, {}),
    ("sharing_message_subject", "sharingMessageSubject", "Our offer", ""),
    ("sharing_message_body", "sharingMessageBody", "Dear…\nline two", ""),
]

ACTOR: list[tuple[str, str, Any, Any]] = [
    ("email", "email", "a@example.com", "not an address"),
    ("name", "name", "Dana", ""),
    ("title", "title", "CTO", ""),
    ("context", "context", [{"system": "HubSpot", "objects": []}], []),
]
SHARER: list[tuple[str, str, Any, Any]] = [
    ("id", "id", "234599484848423", ""),
    ("email", "email", "a@example.com", ""),
    ("name", "name", "Sam", ""),
]
SYSTEMS = ["Salesforce", "HubSpot", "MicrosoftDynamic", "Generic"]
PARTY_TYPES = ["Lead", "Contact", "Account", "Opportunity", "User", "Lead,Contact"]
CALL_TYPES = ["Opportunity", "Account", "Lead", "Contact", "User", "Opportunity,Account"]
PLATFORMS = ["Windows", "Linux", "MacOS", "iOS", "Android"]
DATA_TYPES = ["number", "string", "url", "date"]


def context(object_type: str = "Account") -> dict[str, Any]:
    """A reference with everything that a reference may hold; fits people and events."""
    fields = [{"name": "Industry", "value": "Shoes"}, {"name": "x"}, {"value": {"deep": [1, None]}}, {}]
    crm_object = {"objectType": object_type, "objectId": "0013601230sV7grAAC", "fields": fields}
    return {"system": "Salesforce", "objects": [crm_object]}


def full() -> dict[str, Any]:
    """An event with every field but trackingId, which excludes the viewer."""
    event = {camel: value for _, camel, value, _ in EVENT if camel != "trackingId"}
    actor = {camel: value for _, camel, value, _ in ACTOR} | {"context": [context("Lead,Contact")]}
    return event | {
        "viewer": actor,
        "nonCompanyParticipants": [actor],
        "sharer": {camel: value for _, camel, value, _ in SHARER},
        "crmContext": [context("Opportunity,Account"), context()],
    }


def snaked(value: Any, names: dict[str, str]) -> Any:
    """The same event in snake_case; free-form values are left alone."""
    if isinstance(value, list):
        return [snaked(item, names) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        names.get(key, key): item if key == "value" else snaked(item, names) for key, item in value.items()
    }


SNAKE = {camel: snake for snake, camel, _, _ in EVENT} | {
    "objectType": "object_type",
    "objectId": "object_id",
    "dataType": "data_type",
}
