"""What the simulator enforces: set at start, changed while it runs through `POST /_sim/settings`."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt

from gong_worker.simulator.faults import FaultRule


def _ordered(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError("the first number must not be larger than the second")
    return bounds


Range = Annotated[tuple[NonNegativeFloat, NonNegativeFloat], AfterValidator(_ordered)]


class SimulatorConfig(BaseModel):
    """Limits, credentials and slowness of the simulated company."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    per_second: NonNegativeInt | None = Field(3, description="calls in any sliding second; null: no limit")
    per_day: NonNegativeInt | None = Field(10_000, description="calls in a day; null: no limit")
    day: Literal["rolling", "calendar"] = Field("rolling", description="24 h that slide, or a calendar day")
    day_offset_hours: float = Field(0.0, description="the calendar day's zone, hours east of UTC")
    retry_after: NonNegativeInt = Field(1, description="Retry-After (s) of a 429 for the second")
    retry_after_day: NonNegativeInt | None = Field(
        None, description="Retry-After (s) of a 429 for the day; null: until a call fits again"
    )
    refused_calls_count: bool = Field(True, description="calls answered with 429 fill the windows as well")
    latency_ms: Range = Field((0.0, 0.0), description="random wait between a call's judgement and its answer")
    inbound_latency_ms: Range = Field((0.0, 0.0), description="random wait before a call counts as arrived")
    access_key: str | None = Field("sim-key", description="null: Basic is refused")
    access_key_secret: str = Field("sim-secret", description="goes with the access key")
    bearer_token: str | None = Field("sim-token", description="null: Bearer is refused")
    oauth_client_id: str | None = Field("sim-client", description="null: no client may ask for tokens")
    oauth_client_secret: str = Field("sim-client-secret", description="goes with the client")
    oauth_redirect_uris: tuple[str, ...] = Field(
        ("http://127.0.0.1/callback", "http://localhost/callback"),
        description="registered with the client; on this machine with any port",
    )
    oauth_approves: bool = Field(True, description="false: who is asked to approve says no")
    authorization_code_seconds: NonNegativeFloat = Field(60.0, description="life of a code")
    access_token_seconds: NonNegativeFloat = Field(86_400.0, description="life of an access token")
    old_access_token_seconds: NonNegativeFloat | None = Field(
        None, description="life left to an access token once it is renewed; null: what it had"
    )
    refresh_reuse: Literal["revoke", "refuse"] = Field(
        "revoke", description="what a refresh token that serves twice brings: the end of all, or a refusal"
    )
    token_endpoint: Literal["up", "down", "lost_reply"] = Field(
        "up", description="down: it answers 503; lost_reply: it does what it is asked and never says so"
    )
    token_latency_ms: NonNegativeFloat = Field(0.0, description="wait before the token endpoint's answer")
    oauth_clock_skew_seconds: float = Field(0.0, description="error of the authorisation server's clock")
    api_base_url_for_customer: str | None = Field(
        None, description="told with each token; null: the address that was asked"
    )
    strict: bool = Field(True, description="check every field of the body, eventId required")
    max_body_bytes: int = Field(1_048_576, gt=0, description="a larger body is answered with 413")
    faults: tuple[FaultRule, ...] = Field(
        (), description="rules in force from the start, and again after a reset"
    )
    seed: int | None = Field(None, description="of latencies and fault probabilities")
