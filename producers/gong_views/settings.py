"""What a producer reads from the environment (or a `.env` file in the working directory)."""

from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from gong_views.errors import SettingsError
from gong_views.redis_url import check_redis_url

S = TypeVar("S", bound=BaseSettings)


def _redis_url(value: SecretStr | None) -> SecretStr | None:
    if value is not None:
        check_redis_url(value.get_secret_value())
    return value


def blank_is_unset(value: Any) -> Any:
    """An empty variable counts as one that is not set."""
    return None if isinstance(value, str) and not value.strip() else value


class ProducerSettings(BaseSettings):
    """Where the queue is and how long an enqueue may take."""

    model_config = SettingsConfigDict(
        frozen=True,
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    redis_url: Annotated[SecretStr | None, BeforeValidator(blank_is_unset), AfterValidator(_redis_url)] = (
        Field(None, validation_alias="REDIS_URL", description="the queue; unset: an embedded Valkey")
    )
    data_dir: Path = Field(
        Path("var"),
        validation_alias="GONG_VIEWS_DATA_DIR",
        description="where the embedded servers keep their data",
    )
    enqueue_timeout_seconds: float = Field(
        2.0,
        gt=0,
        le=60,
        validation_alias="GONG_VIEWS_ENQUEUE_TIMEOUT_SECONDS",
        description="longest time an enqueue may take before it raises QueueUnavailable, in seconds",
    )

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """The settings of this process.

        Raises SettingsError, which names each wrong variable and what it wants, never its value if secret.
        """
        return load(cls, **overrides)


def load(cls: type[S], **overrides: Any) -> S:
    """Build a settings class; a wrong value becomes one SettingsError that names the variables."""
    try:
        return cls(**overrides)
    except ValidationError as error:
        raise SettingsError(_explain(cls, error)) from None


def _explain(cls: type[BaseSettings], error: ValidationError) -> str:
    lines = []
    for item in error.errors(include_input=False, include_url=False):
        if item["type"] == "default_factory_not_called":
            continue  # a default that follows another setting, which is wrong and named itself
        name = str(item["loc"][0]) if item["loc"] else ""
        field = cls.model_fields.get(name)
        variable = str(field.validation_alias) if field is not None and field.validation_alias else name
        text = item["msg"].removeprefix("Value error, ")
        lines.append(f"{variable}: {text}" if variable else text)
    return "\n".join(lines)
