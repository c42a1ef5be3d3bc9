"""All settings in one typed, frozen object: environment, then ``needle.toml``, then defaults.

The only module that reads the environment. Nothing is read at import.
"""

from __future__ import annotations

import os
import socket
import sys
import tomllib
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.sources import TomlConfigSettingsSource

from ops.core.errors import SettingsError
from ops.core.lake_memory import FILE, LakeMemory
from ops.core.locks import lock_shared
from ops.core.postgres import PostgresAddress, parse_postgres_url
from ops.core.process_limits import ProcessLimits
from ops.core.qdrant_options import check_qdrant_options
from ops.core.restore_marker import require_restored
from ops.core.setting_checks import check_public_url, has_password, make_home, require_no_password
from ops.core.speech_language import check_speech_language
from ops.core.storage import ObjectStore, resolve_local_path
from ops.core.tables import Lake, resolve_partition

CHECKOUT = Path(__file__).resolve().parents[2]
"""The folder of ``ops``, ``assets``, ``feature_repo`` and ``notebooks``: the checkout, or that of installed wheels."""
DEFAULT_SERVICE_URL = "http://127.0.0.1:8080"


def _normalise_address(value: str) -> str:
    """A folder as an absolute path, or a ``scheme://`` address without a trailing slash."""
    if not value or ("://" in value and not value.startswith("file://")):
        if "@" in value.partition("://")[2].partition("/")[0]:  # a key may have one
            require_no_password(value, "set the store's own variables, such as AWS_ACCESS_KEY_ID")
        return value.rstrip("/")
    return resolve_local_path(value)


def count_cores() -> int:
    """Number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Settings(BaseSettings):
    """Every setting of Needle; each name is an environment variable ``NEEDLE_<NAME>``.

    Build it with :func:`load_settings`, which maps a bad value to ``SettingsError``.
    """

    model_config = SettingsConfigDict(env_prefix="NEEDLE_", frozen=True, extra="ignore")

    home: Annotated[Path, AfterValidator(make_home)] = Field(
        default_factory=lambda: find_own_folder() / ".needle",
        description="the folder of everything that Needle writes",
    )
    storage: Annotated[str, AfterValidator(_normalise_address)] = Field(
        default="", description="object store: a folder or s3://bucket/prefix (default: media in the home)"
    )
    library: Annotated[str, AfterValidator(_normalise_address)] = Field(
        default="", description="source footage that the sensor watches: a folder or s3://bucket/prefix"
    )
    encoder: str = Field(
        default="auto",
        description="auto, or an encoder such as starter, open_clip:<model>/<pretrained tag or file>, finetuned:<name>",
    )
    detector: Literal["auto", "adaptive", "content", "transnetv2"] = Field(default="auto", description="shot detector")
    workers: int = Field(default_factory=count_cores, ge=1, le=1024, description="CPU processes for segmentation")
    open_seconds: int = Field(
        default=300,
        ge=1,
        le=86_400,
        description="seconds after which opening one film is given up, or cutting it if no frame comes",
    )
    film_hours: int = Field(
        default=24, ge=0, le=8_760, description="hours after which cutting one film is given up; 0: no limit"
    )
    film_memory_gb: int = Field(
        default=8, ge=0, le=65_536, description="memory of a process that reads one film; 0: no limit"
    )
    film_file_gb: int = Field(
        default=32, ge=0, le=1_048_576, description="largest file that cutting one film writes; 0: no limit"
    )
    frames_per_shot: int = Field(default=8, ge=1, le=256, description="frames of a shot that the encoder sees")
    partitions: Annotated[str, Field(pattern=r"^(video|bucket:[1-9]\d{0,4})$")] = Field(
        default="video", description="Dagster partitions: video (one each) or bucket:<count> for very large catalogues"
    )
    engine: Literal["local", "ray"] = Field(default="local", description="where embedding and training run")
    cut_engine: Literal["local", "ray"] = Field(default="local", description="where videos are cut")
    ray_address: str = Field(
        default_factory=lambda: os.environ.get("RAY_ADDRESS", ""),
        description="a Ray cluster (default: RAY_ADDRESS; without either, Ray is started on this machine)",
    )
    speech: str = Field(
        default="",
        description="faster-whisper model, by name or folder, for films without subtitles (default: none); "
        "off: the next ingest deletes what was recognised",
    )
    speech_language: Annotated[str, AfterValidator(check_speech_language)] = Field(
        default="",
        description="language of speech: a code (en), or by show, SHOW=de,*=en (default: detected for each film)",
    )
    screen_text: Literal["off", "on"] = Field(
        default="off",
        description="on: read the writing in the picture; off: the next ingest deletes what was read",
    )
    sound: Literal["off", "on"] = Field(
        default="off",
        description="on: measure loudness and silence of each shot, and find speech (extra `speech`); "
        "off: the next ingest deletes what was measured",
    )
    people: Literal["off", "on"] = Field(
        default="off",
        description="on: find faces and people, which is biometric data: boxes, vectors and names of people are stored "
        "in the lake and the feature store, and nothing is sent anywhere; off: the next ingest deletes all of it",
    )
    face_models: str = Field(
        default="",
        description="paths of OpenCV's YuNet and SFace, DETECTOR.onnx,RECOGNISER.onnx (default: dlib, extra `people`)",
    )
    qdrant_url: str = Field(default="", description="a Qdrant server or cluster instead of the embedded engine")
    qdrant_api_key: SecretStr = Field(default=SecretStr(""), description="API key of the Qdrant server")
    qdrant_options: Annotated[str, AfterValidator(check_qdrant_options)] = Field(
        default="",
        description="options of collections on the Qdrant server, such as shards=3,replicas=2,on_disk=yes,grpc=6334",
    )
    catalogue: Annotated[str, Field(pattern=r"^([a-z0-9]+(-[a-z0-9]+)*)?$", max_length=40)] = Field(
        default="", description="name of the catalogue on a Qdrant server (default: a random one, kept in the store)"
    )
    postgres: SecretStr = Field(
        default=SecretStr(""),
        description="Postgres database for Dagster's records and Feast's registry and online rows: "
        "postgresql://user:password@host:5432/database (default: SQLite files in the home)",
    )
    public_url: Annotated[str, AfterValidator(check_public_url)] = Field(
        default="",
        description=(
            "address under which people reach the service, for a proxy and for links from Dagster and reports: "
            f"https://needle.example (links without it: {DEFAULT_SERVICE_URL})"
        ),
    )
    failure_webhook: SecretStr = Field(
        default=SecretStr(""), description="address that gets a POST for each failed run of Dagster: https://..."
    )
    searchable_within: int = Field(
        default=86_400,
        ge=60,
        le=31_536_000,
        description="seconds after which footage that is not searchable is late",
    )
    tokens: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(), description="API tokens that administer, separated by commas; `needle token` makes named ones"
    )
    rate_limit: int = Field(
        default=6_000,
        ge=0,
        le=10_000_000,
        description="requests a minute for each token, media ten times as many; 0: no limit",
    )

    log: Literal["text", "json"] = Field(
        default="text", description="form of the logs: text, or json with the ids of run, video, shot and request"
    )
    metrics_push: str = Field(
        default="",
        description="Prometheus Pushgateway to which runs push the metrics of their stages: http://gateway:9091",
    )

    @field_validator("metrics_push")
    @classmethod
    def _check_gateway(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("write an address that begins with http:// or https://")
        return require_no_password(value, "a gateway is reached without one, or through a proxy")

    @field_validator("ray_address")
    @classmethod
    def _check_ray(cls, value: str) -> str:
        return require_no_password(value, "write HOST:PORT")

    @field_validator("qdrant_url")
    @classmethod
    def _check_server(cls, value: str) -> str:
        return require_no_password(value, "set NEEDLE_QDRANT_API_KEY")

    @field_validator("failure_webhook")
    @classmethod
    def _check_webhook(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and not value.get_secret_value().startswith(("http://", "https://")):
            raise ValueError("write an address that begins with https:// or http://")
        return value

    @field_validator("postgres")
    @classmethod
    def _check_postgres(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value():
            parse_postgres_url(value.get_secret_value())
        return value

    @field_validator("tokens", mode="before")
    @classmethod
    def _split_tokens(cls, value: Any) -> Any:
        return [token.strip() for token in value.split(",") if token.strip()] if isinstance(value, str) else value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=find_toml())

    @property
    def storage_uri(self) -> str:
        """The object store's root: ``storage``, or ``media`` under the home."""
        return self.storage or str(self.home / "media")

    @property
    def service_url(self) -> str:
        """The service's address for links: ``public_url``, or the default of ``needle serve``."""
        return self.public_url or DEFAULT_SERVICE_URL

    @property
    def store(self) -> ObjectStore:
        return ObjectStore(self.storage_uri)

    @property
    def postgres_address(self) -> PostgresAddress | None:
        """The database of ``postgres``; ``None`` if everything is in SQLite files."""
        url = self.postgres.get_secret_value()
        return parse_postgres_url(url) if url else None

    @property
    def lake(self) -> Lake:
        return Lake(self.store, self.home / "locks", self.lake_memory)

    @property
    def lake_memory(self) -> LakeMemory:
        """What the home knows of the lake's files."""
        return LakeMemory(self.home / FILE)

    @property
    def scratch(self) -> Path:
        """Local folder for temporary files; all of them may be deleted if nothing runs."""
        return self.home / "scratch"

    @property
    def film_limits(self) -> ProcessLimits:
        """Limits of each process that reads a film or its subtitles."""
        return ProcessLimits(
            memory_bytes=self.film_memory_gb << 30,
            file_bytes=self.film_file_gb << 30,
            pause_s=self.open_seconds,
            total_s=self.film_hours * 3600,
        )

    @property
    def work_lock(self) -> Path:
        """Every computing step holds it shared; work that must exclude these steps holds it exclusively."""
        return self.home / "locks" / "work.lock"

    @property
    def home_name(self) -> str:
        """The home among those on the same store: ``machine:folder``."""
        return f"{socket.gethostname()}:{self.home}"

    def hold_work_lock(self) -> AbstractContextManager[None]:
        """Hold the work lock, shared, for a block."""
        return lock_shared(self.work_lock)

    def resolve_partition(self, video_id: str) -> str:
        """The partition of a video, in lake files and in Dagster."""
        return resolve_partition(video_id, self.partitions)


_SECRETS = ("qdrant_api_key", "postgres", "failure_webhook", "tokens")
"""Settings whose values appear in no message."""


def is_installed() -> bool:
    """Whether this is an installed wheel: only there ``needle`` is a folder beside ``ops``."""
    return (CHECKOUT / "needle").is_dir()


def find_own_folder() -> Path:
    """The folder of the user's own files and of the default home: the checkout, or, of a wheel, the user's folder.

    Never the working directory, which may be a folder of foreign footage.
    """
    return Path.home() if is_installed() else CHECKOUT


def find_toml() -> Path:
    """``needle.toml`` of the checkout; of a wheel, ``.needle/needle.toml`` in the user's folder."""
    return Path.home() / ".needle" / "needle.toml" if is_installed() else CHECKOUT / "needle.toml"


def load_settings(**overrides: Any) -> Settings:
    """Load settings from overrides (command-line options), environment, ``needle.toml`` and defaults, in this order.

    Overrides that are ``None`` are ignored. Raises ``SettingsError`` with the name, the bad value and its source, or if
    a restore into the home is unfinished: every command, the service, the daemon and its runs load their settings here.
    """
    settings = load_settings_of_any_home(**overrides)
    require_restored(settings.home)
    return settings


def load_settings_of_any_home(**overrides: Any) -> Settings:
    """As :func:`load_settings`, also if a restore into the home is unfinished: for the command that finishes it."""
    refuse_telemetry()
    values = {name: value for name, value in overrides.items() if value is not None}
    try:
        unknown = sorted(set(_read_toml()) - set(Settings.model_fields))
        if unknown:
            raise SettingsError(f"{find_toml()} has no setting {', '.join(unknown)}: `needle doctor` lists them all")
        settings = Settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        is_secret = name in _SECRETS or has_password(str(first["input"]))
        value = "(hidden)" if is_secret else repr(first["input"])
        reason = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"NEEDLE_{name.upper()} = {value} ({_find_source(name, values)}): {reason}") from (
            None if is_secret else error
        )
    except (OSError, ValueError) as error:  # tomllib.TOMLDecodeError is a ValueError
        raise SettingsError(f"{find_toml()} cannot be read: {error}") from error
    return settings


def refuse_telemetry() -> None:
    """Switch off the telemetry of two libraries, which report their use to their makers.

    onnxruntime 1.32 writes a device id into the user's cache and sends events at its import; OpenVINO 2026.4 sends the
    results of conversions, and has a stub for installations without its package. Child processes inherit the first. A
    user who has set ORT_DISABLE_TELEMETRY has decided.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # documented: its import fails


def describe_settings(**overrides: Any) -> list[tuple[str, str, str]]:
    """``(NEEDLE_NAME, value, source)`` of each setting, secrets hidden."""
    values = {name: value for name, value in overrides.items() if value is not None}
    settings = load_settings(**values)
    rows = []
    for name in Settings.model_fields:
        value = getattr(settings, name)
        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        rows.append((f"NEEDLE_{name.upper()}", text, _find_source(name, values)))
    return rows


def _read_toml() -> dict[str, Any]:
    return tomllib.loads(find_toml().read_text()) if find_toml().exists() else {}


def _find_source(name: str, values: dict[str, Any]) -> str:
    if name in values:
        return "option"
    if f"NEEDLE_{name.upper()}" in {key.upper() for key in os.environ}:
        return "environment"
    if name in _read_toml():
        return str(find_toml())
    return "environment (RAY_ADDRESS)" if name == "ray_address" and os.environ.get("RAY_ADDRESS") else "default"


def find_trace_exporter() -> str:
    """The exporter of OpenTelemetry's own variables, by the name of its entry point; empty if traces are off.

    The variables and their defaults are those of OpenTelemetry's specification, "Environment Variable Specification":
    without any of them the specification exports to localhost, and Needle exports nothing.
    """
    variables = ("OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    exporter, *endpoints = (os.environ.get(name, "").strip() for name in variables)
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return ""
    name = exporter or ("otlp" if any(endpoints) else "none")
    if name == "otlp":
        names = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
        protocols = [os.environ.get(each, "").strip() for each in names]
        return "otlp_proto_grpc" if next(filter(None, protocols), "") == "grpc" else "otlp_proto_http"
    return "" if name == "none" else name


def export_settings(values: dict[str, Any]) -> None:
    """Set options in the environment, so that Dagster's definitions and child processes read them too."""
    for name, value in values.items():
        os.environ[f"NEEDLE_{name.upper()}"] = str(value)
