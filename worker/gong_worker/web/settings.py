"""What `gong-views serve` reads from the environment (or `.env`)."""

from functools import cached_property
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from gong_views.settings import blank_is_unset
from gong_worker.body_settings import BodySettings
from gong_worker.settings import is_loopback
from gong_worker.web.keys import ApiKey, parse_keys


def _readable_keys(value: SecretStr | None) -> SecretStr | None:
    if value is not None and not parse_keys(value.get_secret_value()):
        raise ValueError("it names no key: write name:key, several separated by commas, or unset it")
    return value


class WebSettings(BodySettings):
    """Where the intake listens, which keys it takes, and how much at once."""

    api_keys: Annotated[SecretStr | None, BeforeValidator(blank_is_unset), AfterValidator(_readable_keys)] = (
        Field(
            None,
            validation_alias="GONG_VIEWS_API_KEYS",
            description="name1:key1,name2:key2, or one a line; unset: only this machine may connect",
        )
    )
    host: str = Field(
        "127.0.0.1", validation_alias="GONG_VIEWS_HTTP_HOST", description="the address to listen on"
    )
    port: int = Field(
        8080, ge=0, le=65535, validation_alias="GONG_VIEWS_HTTP_PORT", description="0: any free one"
    )
    max_batch_events: int = Field(
        1_000,
        ge=1,
        validation_alias="GONG_VIEWS_HTTP_MAX_BATCH_EVENTS",
        description="most events of one request",
    )
    requests_per_second: float = Field(
        50.0,
        gt=0,
        validation_alias="GONG_VIEWS_HTTP_REQUESTS_PER_SECOND",
        description="requests of one key; each 100 kB of a body count as one more",
    )
    max_connections: int = Field(
        1_000,
        ge=1,
        validation_alias="GONG_VIEWS_HTTP_MAX_CONNECTIONS",
        description="most connections at once; less if the limit of open files says so",
    )
    head_timeout_seconds: float = Field(
        10.0,
        gt=0,
        validation_alias="GONG_VIEWS_HTTP_HEAD_TIMEOUT_SECONDS",
        description="longest time a request's head may take to arrive",
    )

    @model_validator(mode="after")
    def _closed_or_keyed(self) -> Self:
        if len({key.secret for key in self.keys}) < len(self.keys):
            raise ValueError("GONG_VIEWS_API_KEYS: the same key is given twice: each needs a name of its own")
        if not self.keys and not is_loopback(self.host):
            raise ValueError(
                f"GONG_VIEWS_API_KEYS is not set, and the address {self.host} is open to other machines: "
                "set keys (name1:key1,name2:key2), or listen on 127.0.0.1"
            )
        return self

    @cached_property
    def keys(self) -> tuple[ApiKey, ...]:
        """The API keys; empty when none are asked for."""
        return parse_keys(self.api_keys.get_secret_value()) if self.api_keys is not None else ()
