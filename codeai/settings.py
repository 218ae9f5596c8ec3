"""Settings (★): one row each, read from the defaults, then a file, then the environment, all errors at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, get_args

from codeai.settings_rows import rows_of, setting
from codeai.settings_sources import files_of, from_environment, from_file
from codeai.settings_values import (
    addresses,
    choice,
    curve_key,
    curve_keys,
    duration,
    flag,
    fraction,
    never_or_duration,
    off_or,
    path,
    paths,
    proxy,
    rate,
    rsa_public_key,
    size,
    targets,
    text,
    token_secret,
    web_origins,
    web_url,
    whole,
    words,
)
from codeai.targets import Target

LEVELS = ("debug", "info", "warn", "error")
SslMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
SSL_MODES = get_args(SslMode)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """The API."""

    host: str = setting("127.0.0.1", "address that the API listens on")
    port: int = setting(8080, "its port", whole(0, 65535))
    timeout: float = setting(60.0, "time limit of a request", duration)
    data: Path = setting(Path(), "a folder whose disk has to have 5 % free for runs to start", path)
    allowed_hosts: tuple[str, ...] = setting(
        (), "names in Host besides the bound address and localhost", words
    )
    cors_origins: tuple[str, ...] = setting(
        (), "origins whose pages may use the API from browsers, besides its own", web_origins
    )
    trusted_proxies: tuple[str, ...] = setting(
        (), "addresses and networks whose X-Forwarded-For is believed", addresses
    )
    rate: tuple[int, int] | None = setting(
        (50, 100), "requests a second and burst of one caller, or off", rate, "CODEAI_API_RATE", none="off"
    )


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """Postgres. The user is its owner, who migrates; workers and API log in as themselves."""

    host: str = setting("localhost", "where Postgres is", text, "DATABASE_HOST")
    port: int = setting(5432, "its port", whole(1, 65535), "DATABASE_PORT")
    name: str = setting("codeai", "the database", text, "DATABASE_NAME")
    user: str = setting("postgres", "its owner: `codeai migrate`", text, "DATABASE_USER")
    password: str | None = setting(None, "the owner's password", text, "DATABASE_PASSWORD", secret=True)
    sslmode: SslMode = setting("disable", "libpq's words", choice(*SSL_MODES), "DATABASE_SSLMODE")
    worker_user: str = setting("codeai_worker", "the role that workers write as")
    worker_password: str | None = setting(None, "its password", secret=True)
    api_user: str = setting("codeai_api", "the role that the API reads as")
    api_password: str | None = setting(None, "its password", secret=True)


@dataclass(frozen=True, slots=True)
class TemporalSettings:
    """Temporal, under the names that its own tools use."""

    address: str = setting("localhost:7233", "its frontend", text, "TEMPORAL_ADDRESS", "TEMPORAL_HOST")
    namespace: str = setting("default", "the namespace", text, "TEMPORAL_NAMESPACE")
    api_key: str | None = setting(None, "key for Temporal Cloud", text, "TEMPORAL_API_KEY", secret=True)
    tls: bool = setting(False, "whether to use TLS", flag, "TEMPORAL_TLS")
    tls_client_cert_path: Path | None = setting(None, "for mTLS", path, "TEMPORAL_TLS_CLIENT_CERT_PATH")
    tls_client_key_path: Path | None = setting(None, "for mTLS", path, "TEMPORAL_TLS_CLIENT_KEY_PATH")
    tls_server_ca_cert_path: Path | None = setting(None, "own CA", path, "TEMPORAL_TLS_SERVER_CA_CERT_PATH")
    tls_server_name: str | None = setting(None, "name in the certificate", text, "TEMPORAL_TLS_SERVER_NAME")


@dataclass(frozen=True, slots=True)
class LoggingSettings:
    """What processes tell about themselves."""

    level: str = setting("info", "debug, info, warn or error", choice(*LEVELS), "LOG_LEVEL")
    format: str = setting(
        "json", "json, or console (also: text)", choice("json", "console", "text"), "LOG_FORMAT"
    )
    output: str = setting("stderr", "stdout, stderr or a file's path", text, "LOG_OUTPUT")
    source: bool = setting(False, "whether lines have file and line", flag)
    sample_rate: float = setting(1.0, "part of the debug and info lines that is kept", fraction)
    slow_query: float = setting(0.1, "a query that takes longer is a warning", duration)


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """Figures for Prometheus: at the API's `/metrics`, and at a port of their own on workers."""

    token: str | None = setting(
        None, "bearer token that may read them, beside callers with metrics:read", secret=True, from_file=True
    )
    open: bool = setting(False, "whether everybody may read them", flag)
    host: str = setting("127.0.0.1", "address that a worker tells them at")
    port: int | None = setting(
        None, "port that a worker tells them at (0: a free one), or off", off_or(whole(0, 65535)), none="off"
    )
    environment: str = setting(
        "development", "their label `environment`", text, "CODEAI_METRICS_ENVIRONMENT", "CODEAI_ENV"
    )
    instance: str | None = setting(None, "their label `instance`; default: the name of the host")


@dataclass(frozen=True, slots=True)
class TracingSettings:
    """OpenTelemetry: traces from a request to the activities that it leads to, sent by OTLP over HTTP."""

    endpoint: str | None = setting(
        None,
        "where traces are sent, without /v1/traces, such as http://localhost:4318; unset: nowhere",
        web_url,
        "CODEAI_TRACING_ENDPOINT",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    )
    sample_rate: float = setting(1.0, "part of the traces that begin here and are sent", fraction)


@dataclass(frozen=True, slots=True)
class JwtSettings:
    """Whose tokens are taken."""

    secret: str | None = setting(
        None, "for HS256, HS384 and HS512", token_secret, "JWT_SECRET", secret=True, from_file=True
    )
    public_key: str | None = setting(
        None,
        "PEM of an RSA key, for RS256, RS384 and RS512; HS is then off",
        rsa_public_key,
        "JWT_PUBLIC_KEY",
        secret=True,  # somebody may set the private one by mistake
        from_file=True,
    )
    issuer: str | None = setting(None, "who must have made a token", text, "JWT_ISSUER")
    audience: str | None = setting(None, "whom it must be for", text, "JWT_AUDIENCE")
    jwks_url: str | None = setting(
        None, "where the issuer publishes its RSA keys; HS is then off", web_url, "JWKS_URL"
    )
    roles_claim: str = setting(
        "roles", "claim with the roles; dots lead into objects", text, "JWT_ROLES_CLAIM"
    )
    permissions_claim: str = setting(
        "permissions", "claim with permissions; dots lead into objects", text, "JWT_PERMISSIONS_CLAIM"
    )


@dataclass(frozen=True, slots=True)
class SealSettings:
    """The keys of secrets: who has the public one seals, who has the private one opens."""

    public_key: str | None = setting(
        None, "for the API and the command line: what they seal secrets with", curve_key
    )
    private_key: tuple[str, ...] = setting(
        (),
        "for workers: what opens them; of several the first is in force",
        curve_keys,
        secret=True,
        private_file=True,
    )


@dataclass(frozen=True, slots=True)
class ApprovalsSettings:
    """Who decides about approvals: the API signs the decisions that it passes on, and the workers tell them by that."""

    require_api: bool = setting(
        False, "for both: whether runs refuse decisions that the API has not signed", flag
    )
    private_key: str | None = setting(
        None, "for the API: what it signs decisions with", curve_key, secret=True, private_file=True
    )
    public_key: tuple[str, ...] = setting(
        (), "for workers: what shows that it has; any of several may", curve_keys
    )


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """The workers and the commands that they run."""

    root: Path = setting(Path(".codeai/workspaces"), "workspaces and spools: what shares it is a host", path)
    ready_file: Path | None = setting(None, "written, with the process id, when the worker polls", path)
    workspace_roots: tuple[Path, ...] = setting(
        (), "folders below which a workspace may be copied from", paths, "CODEAI_WORKSPACE_ROOTS"
    )
    private: tuple[Path, ...] = setting(
        (), "folders that no workspace is copied from and no sandbox shows", paths
    )
    drain_timeout: float = setting(30.0, "what running activities get when the worker stops", duration)
    host_lost_after: float | None = setting(
        600.0, "when a silent host is given up, or never", never_or_duration, none="never"
    )
    commands_at_once: int = setting(4, "commands that a host runs at a time", whole(1, 10_000))
    environment: tuple[str, ...] = setting((), "names of its environment that commands see as well", words)
    shell: str = setting("bash", "the shell of commands")
    cpu_limit: int | None = setting(
        None, "CPU seconds that one step may use, or off", off_or(whole(1, 10**9)), none="off"
    )
    memory_limit: int | None = setting(
        None, "memory that one step may use, such as 2GiB, or off", off_or(size), none="off"
    )
    file_size_limit: int | None = setting(
        None, "size of a file that a step may write, such as 10GiB, or off", off_or(size), none="off"
    )
    process_limit: int | None = setting(
        None, "processes that one step may have, or off", off_or(whole(1, 10**6)), none="off"
    )
    log_limit: int = setting(10 << 20, "output of one step that its log keeps, such as 10MiB", size)
    sandbox: str = setting("off", "off, or bwrap: steps run in bubblewrap", choice("off", "bwrap"))
    sandbox_network: bool = setting(True, "whether steps in a sandbox have the network", flag)
    sandbox_paths: tuple[Path, ...] = setting(
        (), "what steps in a sandbox see besides the system, read-only", paths
    )
    soft_events: int = setting(4_000, "events from which a run continues as new", whole(1, 50_000))
    hard_events: int = setting(12_000, "events from which it starts no effect before", whole(1, 50_000))
    soft_bytes: int = setting(4 << 20, "the same in bytes of history", whole(1, 50 << 20))
    hard_bytes: int = setting(16 << 20, "the same in bytes of history", whole(1, 50 << 20))


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """How long things are kept, from their end on, or never deleted. The audit log always stays."""

    workspaces: float | None = setting(
        7 * 86_400.0, "files of runs, on their hosts", never_or_duration, none="never"
    )
    logs: float | None = setting(30 * 86_400.0, "what runs printed", never_or_duration, none="never")
    executions: float | None = setting(
        365 * 86_400.0, "runs, with their steps and what undoing them needs", never_or_duration, none="never"
    )
    events: float | None = setting(90 * 86_400.0, "events", never_or_duration, none="never")


@dataclass(frozen=True, slots=True)
class OutboundSettings:
    """Requests that leave the platform: programs' `http`, and whatever else talks to another host. They go to the
    public internet only; what else they may reach is named here."""

    allow: tuple[Target, ...] = setting(
        (),
        "reachable as well: host[:port], address[:port] or CIDR, such as localhost:9000,10.1.0.0/16",
        targets,
    )
    proxy: str | None = setting(
        None, "an HTTP proxy for all of them; names are then resolved by the proxy", proxy, secret=True
    )
    rate: tuple[int, int] | None = setting(
        (50, 100), "requests a second and burst to one host, or off", rate, none="off"
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings in force. `origins` says where each that is no default came from; `notes` are lines for the
    person who started it; `files` were read for them, and may hold secrets."""

    server: ServerSettings = ServerSettings()
    database: DatabaseSettings = DatabaseSettings()
    temporal: TemporalSettings = TemporalSettings()
    logging: LoggingSettings = LoggingSettings()
    metrics: MetricsSettings = MetricsSettings()
    tracing: TracingSettings = TracingSettings()
    jwt: JwtSettings = JwtSettings()
    seal: SealSettings = SealSettings()
    approvals: ApprovalsSettings = ApprovalsSettings()
    worker: WorkerSettings = WorkerSettings()
    retention: RetentionSettings = RetentionSettings()
    outbound: OutboundSettings = OutboundSettings()
    origins: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()


class BadSettings(Exception):
    """What was set and cannot be taken, one line per problem."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


SECTIONS: dict[str, type[Any]] = {
    "server": ServerSettings,
    "database": DatabaseSettings,
    "temporal": TemporalSettings,
    "logging": LoggingSettings,
    "metrics": MetricsSettings,
    "tracing": TracingSettings,
    "jwt": JwtSettings,
    "seal": SealSettings,
    "approvals": ApprovalsSettings,
    "worker": WorkerSettings,
    "retention": RetentionSettings,
    "outbound": OutboundSettings,
}
IGNORED = {"REDIS_ADDR": "Temporal takes the place of Redis"}
"""Names of the guide that have no use any more (★)."""


ROWS = rows_of(SECTIONS)
"""Every setting."""


def load(environment: Mapping[str, str], file: Path | None = None) -> Settings:
    """The settings in force: defaults, then `file` (else `config/<CODEAI_ENV>.yaml`, if it is there), then the
    environment. Raises BadSettings with every problem found."""
    problems: list[str] = []
    notes = [f"{name} is ignored: {why}" for name, why in IGNORED.items() if name in environment]
    given = from_file(environment, file, ROWS, problems, notes)
    given |= from_environment(environment, ROWS, problems)
    values: dict[str, dict[str, object]] = {section: {} for section in SECTIONS}
    origins = {}
    for row in ROWS:
        if row.path not in given:
            continue
        value, origin = given[row.path]
        try:
            values[row.section][row.key] = row.read(value)
            origins[row.path] = origin
        except ValueError as problem:
            shown = "" if row.secret else f" {value!r}"
            problems.append(f"{origin}: {row.path}{shown} {problem}")
    problems += _contradictions(values)
    if problems:
        raise BadSettings(problems)
    sections: dict[str, Any] = {name: shape(**values[name]) for name, shape in SECTIONS.items()}
    return Settings(**sections, origins=origins, notes=tuple(notes), files=files_of(environment, file, ROWS))


def shown(settings: Settings) -> list[tuple[str, str, str]]:
    """Every setting as (path, value, where from), secrets masked: what `codeai config show` prints."""
    lines = []
    for row in ROWS:
        value = getattr(getattr(settings, row.section), row.key)
        masked = "***" if row.secret and value not in (None, ()) else _as_text(value) or row.none
        lines.append((row.path, masked, settings.origins.get(row.path, "default")))
    return lines


def _as_text(value: object) -> str:
    if isinstance(value, tuple):
        return ("/" if value and isinstance(value[0], int) else ",").join(str(part) for part in value)
    return "" if value is None else str(value)


def _contradictions(values: Mapping[str, Mapping[str, object]]) -> list[str]:
    """What can be taken alone and not together."""
    worker, jwt, metrics = values["worker"], values["jwt"], values["metrics"]
    problems = []
    if metrics.get("port") is not None and not (metrics.get("token") or metrics.get("open")):
        problems.append("metrics.port is set, and nobody may read there: set metrics.token or metrics.open")
    for unit in ("events", "bytes"):
        soft, hard = (
            cast(int, worker.get(f"{kind}_{unit}", getattr(WorkerSettings(), f"{kind}_{unit}")))
            for kind in ("soft", "hard")
        )
        if soft > hard:
            problems.append(f"worker.soft_{unit} ({soft}) must not be over worker.hard_{unit} ({hard})")
    if jwt.get("public_key") and jwt.get("jwks_url"):
        problems.append("JWT_PUBLIC_KEY and JWKS_URL are both set; set one of the two")
    return problems
