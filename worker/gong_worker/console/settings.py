"""What `gong-views console` reads from the environment (or `.env`)."""

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from gong_worker.body_settings import BodySettings

Network = IPv4Network | IPv6Network
USERS_FILE = "console-users.json"


class ConsoleSettings(BodySettings):
    """Where the console listens, who may use it, and how long a session lasts."""

    host: str = Field(
        "127.0.0.1", validation_alias="GONG_VIEWS_CONSOLE_HOST", description="the address to listen on"
    )
    port: int = Field(
        8090, ge=0, le=65535, validation_alias="GONG_VIEWS_CONSOLE_PORT", description="0: any free one"
    )
    users: Path | None = Field(
        None,
        validation_alias="GONG_VIEWS_CONSOLE_USERS",
        description=f"the file of users, made by `console-user add`; unset: {USERS_FILE} in the data dir",
    )
    idle_minutes: float = Field(
        30.0,
        gt=0,
        validation_alias="GONG_VIEWS_CONSOLE_IDLE_MINUTES",
        description="a session ends after so long without a click or a key",
    )
    session_hours: float = Field(
        12.0,
        gt=0,
        validation_alias="GONG_VIEWS_CONSOLE_SESSION_HOURS",
        description="the longest session, whatever is done in it",
    )
    trust_header: str | None = Field(
        None,
        validation_alias="GONG_VIEWS_CONSOLE_TRUST_HEADER",
        description="the header in which a proxy names the user it has signed in, such as X-Forwarded-User",
    )
    trusted_proxies: str = Field(
        "",
        validation_alias="GONG_VIEWS_CONSOLE_TRUSTED_PROXIES",
        description="addresses or networks of the proxies whose headers count, separated by commas",
    )

    @field_validator("trust_header")
    @classmethod
    def _named(cls, value: str | None) -> str | None:
        return None if value is None or not value.strip() else value.strip().lower()

    @model_validator(mode="after")
    def _trusts_somebody(self) -> Self:
        if self.trust_header is not None and not self.proxies:
            raise ValueError(
                "GONG_VIEWS_CONSOLE_TRUST_HEADER is set, and no proxy is trusted: anybody could send the header. "
                "Name the proxy's address in GONG_VIEWS_CONSOLE_TRUSTED_PROXIES"
            )
        return self

    @property
    def users_path(self) -> Path:
        """The file of users."""
        return self.users if self.users is not None else self.data_dir / USERS_FILE

    @property
    def proxies(self) -> tuple[Network, ...]:
        """The networks whose headers count. Raises ValueError for what is neither address nor network."""
        try:
            return tuple(ip_network(one.strip()) for one in self.trusted_proxies.split(",") if one.strip())
        except ValueError as error:
            raise ValueError(
                f"GONG_VIEWS_CONSOLE_TRUSTED_PROXIES: {error}; write 10.0.0.7 or 10.0.0.0/24"
            ) from None

    def is_proxy(self, address: str) -> bool:
        """Whether headers from this address count."""
        try:
            peer = ip_address(address)
        except ValueError:
            return False
        return any(peer in network for network in self.proxies)
