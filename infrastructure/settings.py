"""The service's settings: environment variables `OPTAIC_MLOPS_*`, or arguments; docs/cli.md lists them."""

import ipaddress
import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from domain.shared.errors import Kind, RuleBroken

TENANT = "^[a-z0-9][a-z0-9-]{0,62}$"


class SettingHostNotLoopback(RuleBroken):
    """Without authentication the service is reachable from this machine only."""

    kind = Kind.FORBIDDEN
    remedy = "Bind to 127.0.0.1, ::1 or localhost."


def default_data() -> Path:
    """The data folder of who named none: `$XDG_DATA_HOME/optaic-mlops`, else under `~/.local/share`."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "optaic-mlops"


class CommandSource(BaseModel):
    """Whom the commands of one CloudEvents `source` come from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant: str = Field(pattern=TENANT)
    principal: str = Field(pattern="^service:[a-z0-9][a-z0-9-]{0,62}$")


class Settings(BaseSettings):
    """How one service runs. Everything has a default, so that the embedded mode needs no file."""

    model_config = SettingsConfigDict(env_prefix="OPTAIC_MLOPS_", frozen=True, extra="forbid")

    data: Path = Field(default_factory=default_data)
    """The data folder: log, views, datasets, artifacts; one service owns it at a time."""
    host: str = "127.0.0.1"
    """Where to listen; without a `database_url` (and so without API keys) loopback only."""
    port: int = Field(default=8484, ge=0, le=65535)
    """0: any free port, named in service.json."""
    tenant: str = Field(default="local", pattern=TENANT)
    """The tenant of everything that the embedded service writes and shows; elsewhere the API key says it."""
    principal: str = Field(default="p_local", pattern="^p_[A-Za-z0-9_-]{1,60}$")
    """The opaque id of who sends commands to the embedded service; elsewhere the API key says it."""
    python: Path | None = None
    """The interpreter of runs and evaluations; None: the service's own."""
    sandbox: Literal["auto", "L1", "L2", "L3"] = "auto"
    """How the processes of runs and evaluations are shut in; auto: as strongly as works here. A level that is
    named and does not work ends the start."""
    official_sandbox: Literal["L1", "L2", "L3"] = "L2"
    """The lowest level at which runs of instances in `official` are done; L1 is no barrier to attackers."""
    run_slots: int = Field(default=2, ge=0, le=64)
    """How many runs and evaluations go on at once; 0: none, workers elsewhere do it."""
    idle_exit_s: float = Field(default=0, ge=0)
    """A service that nobody asked anything for so long, and that has no run in hand, ends; 0: never."""
    json_bytes_max: int = Field(default=1 << 20, ge=1024)
    """The largest JSON body, in bytes."""
    upload_bytes_max: int = Field(default=512 << 20, ge=1024)
    """The largest uploaded file, in bytes."""
    wait_s_max: float = Field(default=10, ge=0)
    """How long a read waits for a position (`after`, `as_of`) before it answers 503, in seconds."""
    locations: dict[str, Path] = {}
    """Named folders where other services leave dataset files; JSON in the environment."""

    # --- production roles (`serve relay project intake schedule worker`); the embedded service needs none ---
    database_url: SecretStr | None = None
    """The PostgreSQL database of log and views, `postgresql://user:password@host:port/name`."""
    kafka_bootstrap: str | None = None
    """Kafka's addresses, `host:port[,host:port…]`."""
    kafka_options: dict[str, str] = {}
    """More options of librdkafka's clients, such as `security.protocol` and `sasl.*`; JSON."""
    kafka_partitions: int = Field(default=6, ge=1, le=1024)
    """Partitions of the activity topic when it is made; changing it later needs a re-key."""
    kafka_replication: int = Field(default=1, ge=1, le=9)
    """Replicas of each topic when it is made."""
    command_sources: dict[str, CommandSource] = {}
    """CloudEvents `source` of commands on Kafka → whose they are, such as
    `{"/optaic/acme/datahub": {"tenant": "acme", "principal": "service:datahub"}}`; JSON."""
    store_url: str | None = None
    """Where artifacts and datasets lie: None for the data folder, `file:///shared/folder`, or
    `s3://bucket/prefix` (credentials and region as AWS clients find them)."""
    s3_endpoint_url: str | None = None
    """The address of an S3 service that is not Amazon's."""
    role_port: int = Field(default=8485, ge=0, le=65535)
    """Where roles without an API answer `/health`, `/ready` and `/metrics`; on `host`."""
    worker_name: str | None = Field(default=None, pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")
    """The name of a worker: unique among those that live, the same after a restart. Default: the host's."""
    log_format: Literal["text", "json"] = "text"
    """How log lines look."""

    @model_validator(mode="after")
    def _closed_without_keys(self) -> "Settings":
        """The production roles, which have a database, ask for keys; the embedded service asks for none."""
        if self.database_url is None:
            refuse_open_host(self.host)
        return self


def refuse_open_host(host: str) -> None:
    """Raises SettingHostNotLoopback if others than this machine could reach what listens there."""
    if host != "localhost" and not _is_loopback(host):
        raise SettingHostNotLoopback(f"{host!r} can be reached from elsewhere", host=host)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
