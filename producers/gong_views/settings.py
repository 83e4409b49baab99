"""What a producer reads from its environment, and how every settings class of the project is read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from gong_views.environment import FILE_SUFFIX, Found, find_secret, read_variables
from gong_views.errors import SettingsError
from gong_views.redis_url import check_redis_url


def _redis_url(value: SecretStr | None) -> SecretStr | None:
    if value is not None:
        check_redis_url(value.get_secret_value())
    return value


def blank_is_unset(value: Any) -> Any:
    """An empty variable counts as one that is not set."""
    return None if isinstance(value, str) and not value.strip() else value


Secret = Annotated[SecretStr | None, BeforeValidator(blank_is_unset)]


class Settings(BaseModel):
    """The root of the settings classes. Each field has the name of its variable as `validation_alias`."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", populate_by_name=True, validate_default=True, hide_input_in_errors=True
    )

    def __init__(self, **given: Any) -> None:
        """What is given, by the name of a field or a variable, goes before this process's variables.

        Raises pydantic's ValidationError, and SettingsError for a secret's file that cannot be read.
        """
        values: dict[str, Any] = {name: one.value for name, one in self.found(read_variables()).items()}
        for name, value in given.items():
            field = type(self).model_fields.get(name)
            values[name if field is None else str(field.validation_alias)] = value
        super().__init__(**values)

    @classmethod
    def load(cls, **given: Any) -> Self:
        """The settings of this process, as the class itself makes them.

        Raises SettingsError, which names each wrong variable and what it wants, never its value if secret.
        """
        try:
            return cls(**given)
        except ValidationError as error:
            raise SettingsError(_explain(cls, error)) from None

    @classmethod
    def found(cls, variables: Mapping[str, Found]) -> dict[str, Found]:
        """What is set of this class, by variable. Raises SettingsError for a secret's file that cannot be read."""
        found = {}
        fields = {str(field.validation_alias): field for field in cls.model_fields.values()}
        for name, field in fields.items():
            # A class may read the file itself, for more than one value.
            from_file = is_secret(field) and name + FILE_SUFFIX not in fields
            one = find_secret(variables, name) if from_file else variables.get(name)
            if one is not None:
                found[name] = one
        return found


def is_secret(field: FieldInfo) -> bool:
    """Whether a field's value is not to be shown; it may stand in a file, too (see gong_views.environment)."""
    return SecretStr in (field.annotation, *get_args(field.annotation))


class ProducerSettings(Settings):
    """Where the queue is and how long an enqueue may take."""

    redis_url: Annotated[Secret, AfterValidator(_redis_url)] = Field(
        None,
        validation_alias="REDIS_URL",
        description="the queue and the gate; unset: the embedded Valkey of the data directory",
    )
    data_dir: Path = Field(
        Path("var"),
        validation_alias="GONG_VIEWS_DATA_DIR",
        description="where the embedded queue server, a SQLite ledger and a spool keep their data",
    )
    enqueue_timeout_seconds: float = Field(
        2.0,
        gt=0,
        le=60,
        validation_alias="GONG_VIEWS_ENQUEUE_TIMEOUT_SECONDS",
        description="longest time an enqueue may take before it raises QueueUnavailable, in seconds",
    )


def _explain(cls: type[Settings], error: ValidationError) -> str:
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
