"""Where alerts go and what is worth one."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from gong_views.settings import Secret, Settings


def urls_of(text: str) -> list[str]:
    """The addresses in a text: one a line, or separated by spaces."""
    return text.split()


def _addresses(value: SecretStr | None) -> SecretStr | None:
    for number, url in enumerate(urls_of(value.get_secret_value()) if value is not None else (), start=1):
        scheme, separator, rest = url.partition("://")
        if not (scheme and separator and rest):
            raise ValueError(
                f"address {number} is none: write them as Apprise takes them (https://… as json://…, slack://…, "
                "mailto://…), separated by spaces or one a line"
            )
    return value


class AlertSettings(Settings):
    """Of workers, of `serve` and of `console`: each tells what it sees, and none what another has told."""

    urls: Annotated[Secret, AfterValidator(_addresses)] = Field(
        None,
        validation_alias="GONG_VIEWS_ALERT_URLS",
        description="where alerts go: Apprise addresses separated by spaces; unset: nowhere",
    )
    held_minutes: float = Field(
        10.0,
        ge=0,
        validation_alias="GONG_VIEWS_ALERT_HELD_MINUTES",
        description="alert when the gate has been held for longer",
    )
    backlog_minutes: float = Field(
        30.0,
        ge=0,
        validation_alias="GONG_VIEWS_ALERT_BACKLOG_MINUTES",
        description="alert when the oldest live event has waited for longer; 0: never",
    )
    bulk_backlog_minutes: float = Field(
        2880.0,
        ge=0,
        validation_alias="GONG_VIEWS_ALERT_BULK_BACKLOG_MINUTES",
        description="the same for the bulk lane; 0: never",
    )
    dead_per_hour: int = Field(
        100,
        ge=0,
        validation_alias="GONG_VIEWS_ALERT_DEAD_PER_HOUR",
        description="alert when more events have died in the last hour; 0: never",
    )
    dead_in_group: int = Field(
        100,
        ge=0,
        validation_alias="GONG_VIEWS_ALERT_DEAD_IN_GROUP",
        description="alert when more open dead letters failed alike; 0: never",
    )
    interval_seconds: float = Field(
        15.0,
        ge=0.1,
        le=600,
        validation_alias="GONG_VIEWS_ALERT_INTERVAL_SECONDS",
        description="how often the alerts' conditions are looked at",
    )

    @property
    def addresses(self) -> list[str]:
        """The addresses, each with its secrets."""
        return urls_of(self.urls.get_secret_value()) if self.urls is not None else []
