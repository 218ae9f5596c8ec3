"""Settings: one table, three places, every problem in one go."""

from __future__ import annotations

from pathlib import Path

import pytest

from codeai import sealing
from codeai.settings import ROWS, SECTIONS, BadSettings, load, shown


def problems(environment: dict[str, str], file: Path | None = None) -> list[str]:
    with pytest.raises(BadSettings) as caught:
        load(environment, file)
    return caught.value.problems


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("server: {port: 9000, timeout: 2m}\ndatabase: {port: 5433}\n")
    settings = load({"DATABASE_PORT": "6000", "CODEAI_SERVER_TIMEOUT": "500ms"}, file)
    assert (settings.server.port, settings.server.timeout, settings.server.host) == (9000, 0.5, "127.0.0.1")
    assert settings.database.port == 6000
    origins = {path: origin for path, _, origin in shown(settings)}
    assert origins["server.port"] == str(file) and origins["database.port"] == "DATABASE_PORT"
    assert origins["server.host"] == "default"


def test_the_file_of_the_environment_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load({}).logging.level == "info"
    Path("config").mkdir()
    Path("config/development.yaml").write_text("logging: {level: debug}\n")
    Path("config/production.yaml").write_text("logging: {level: error}\n")
    assert load({}).logging.level == "debug"
    assert load({"CODEAI_ENV": "production"}).logging.level == "error"
    assert "there is no such file" in problems({"CODEAI_ENV": "staging"})[0]


def test_every_problem_is_said_at_once_and_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("server: {port: http, colour: red}\nqueue: {}\n")
    found = problems(
        {
            "DATABASE_PORT": "70000",
            "CODEAI_SERVER_TRUSTED_PROXIES": "10.0.0.0/8,proxy",
            "LOG_LEVEL": "loud",
            "CODEAI_SERVER_PROT": "1",
            "JWT_SECRET": "short",
            "CODEAI_WORKER_SOFT_EVENTS": "9",
            "CODEAI_WORKER_HARD_EVENTS": "8",
            "DATABASE_SSLMODE": "maybe",
        },
        file,
    )
    assert sorted(found) == sorted(
        [
            f"{file}: there is no setting server.colour",
            f"{file}: queue is no section ({', '.join(SECTIONS)})",
            "CODEAI_SERVER_PROT: there is no such setting; `codeai config show` lists them",
            f"{file}: server.port 'http' is not a whole number",
            "DATABASE_PORT: database.port '70000' is not between 1 and 65535",
            "DATABASE_SSLMODE: database.sslmode 'maybe' is none of: "
            "disable, allow, prefer, require, verify-ca, verify-full",
            "CODEAI_SERVER_TRUSTED_PROXIES: server.trusted_proxies '10.0.0.0/8,proxy' has 'proxy', which is neither "
            "an address nor a network such as 10.0.0.0/8",
            "LOG_LEVEL: logging.level 'loud' is none of: debug, info, warn, error",
            "worker.soft_events (9) must not be over worker.hard_events (8)",
            "JWT_SECRET: jwt.secret must have at least 32 bytes",
        ]
    )


def test_a_section_that_is_not_ours_is_only_noted_in_a_file_that_nobody_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config").mkdir()
    Path("config/development.yaml").write_text("webpack: {mode: fast}\n")
    assert "webpack is no section" in load({}).notes[0]


@pytest.mark.parametrize(
    "content", ["[1, 2]", "server: 3", "a: b: c", "\x00", "server: {port: [1]}", "server: {port: true}"]
)
def test_any_file_is_answered_with_problems(tmp_path: Path, content: str) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(content)
    assert problems({}, file)


def test_a_secret_may_stand_in_a_file_and_is_never_shown(tmp_path: Path) -> None:
    secret = "s" * 40
    file = tmp_path / "secret"
    file.write_text(secret + "\n")
    settings = load({"JWT_SECRET_FILE": str(file)})
    assert settings.jwt.secret == secret
    assert secret not in repr(settings) and secret not in str(shown(settings))
    assert ("jwt.secret", "***", "JWT_SECRET_FILE") in shown(settings)
    assert "set one of the two" in problems({"JWT_SECRET_FILE": str(file), "JWT_SECRET": secret})[0]
    assert "cannot read" in problems({"JWT_SECRET_FILE": str(tmp_path / "none")})[0]


def test_the_key_that_opens_secrets_is_its_owners_only(tmp_path: Path) -> None:
    old, new = sealing.new_private(), sealing.new_private()
    file = tmp_path / "seal.key"
    file.write_text(f"{new}\n{old}\n")
    file.chmod(0o640)
    given = {"CODEAI_SEAL_PRIVATE_KEY_FILE": str(file)}
    assert problems(given) == [
        f"CODEAI_SEAL_PRIVATE_KEY_FILE: {file} has mode 0640; do: chmod 600 {file}",
    ]
    file.chmod(0o600)
    settings = load(given | {"CODEAI_SEAL_PUBLIC_KEY": sealing.public_of(new)})
    assert settings.seal.private_key == (new, old)
    assert new not in repr(settings) and new not in str(shown(settings))
    for name in ("CODEAI_SEAL_PUBLIC_KEY", "CODEAI_SEAL_PRIVATE_KEY"):
        (problem,) = problems({name: "no key at all"})
        assert problem.endswith("is no key (32 bytes in base64)")
    assert "no key at all" not in problem


def test_temporals_own_name_wins_and_a_name_without_use_is_noted() -> None:
    settings = load(
        {"TEMPORAL_HOST": "one:1", "TEMPORAL_ADDRESS": "two:2", "REDIS_ADDR": "x", "PATH": "/bin"}
    )
    assert settings.temporal.address == "two:2"
    assert settings.notes == ("REDIS_ADDR is ignored: Temporal takes the place of Redis",)


def test_what_a_step_and_the_command_line_have_set_is_no_problem() -> None:
    load(
        dict.fromkeys(
            ["CODEAI_STEP_ID", "CODEAI_WORKSPACE", "CODEAI_FILES", "CODEAI_URL", "CODEAI_TOKEN"], "x"
        )
    )


@pytest.mark.parametrize(
    ("name", "value", "section", "key", "read"),
    [
        ("CODEAI_API_RATE", "5/10", "server", "rate", (5, 10)),
        ("CODEAI_API_RATE", "off", "server", "rate", None),
        ("CODEAI_WORKER_HOST_LOST_AFTER", "never", "worker", "host_lost_after", None),
        ("CODEAI_WORKER_DRAIN_TIMEOUT", "1m", "worker", "drain_timeout", 60.0),
        ("CODEAI_WORKER_CPU_LIMIT", "90", "worker", "cpu_limit", 90),
        ("CODEAI_WORKER_CPU_LIMIT", "off", "worker", "cpu_limit", None),
        ("CODEAI_WORKER_MEMORY_LIMIT", "512MiB", "worker", "memory_limit", 512 << 20),
        ("CODEAI_WORKER_FILE_SIZE_LIMIT", "2gib", "worker", "file_size_limit", 2 << 30),
        ("CODEAI_WORKER_MEMORY_LIMIT", "1000000", "worker", "memory_limit", 1_000_000),
        ("CODEAI_WORKER_LOG_LIMIT", "1MiB", "worker", "log_limit", 1 << 20),
        ("CODEAI_WORKER_SANDBOX", "bwrap", "worker", "sandbox", "bwrap"),
        ("CODEAI_WORKSPACE_ROOTS", "/a:/b c", "worker", "workspace_roots", (Path("/a"), Path("/b c"))),
        ("CODEAI_SERVER_ALLOWED_HOSTS", "a, b", "server", "allowed_hosts", ("a", "b")),
        (
            *("CODEAI_SERVER_CORS_ORIGINS", "https://Console.example:443, http://[::1]:5173"),
            *("server", "cors_origins", ("https://console.example", "http://[::1]:5173")),
        ),
        ("LOG_FORMAT", "text", "logging", "format", "text"),
        ("TEMPORAL_TLS", "yes", "temporal", "tls", True),
    ],
)
def test_values_are_read_as_people_write_them(
    name: str, value: str, section: str, key: str, read: object
) -> None:
    assert getattr(getattr(load({name: value}), section), key) == read


def test_what_is_shown_can_be_set_again() -> None:
    given = {"CODEAI_API_RATE": "off", "CODEAI_WORKER_HOST_LOST_AFTER": "never"}
    for settings in (load({}), load(given)):
        names = {row.path: row.names[0] for row in ROWS if not row.secret}
        printed = {names[path]: value for path, value, _ in shown(settings) if value and path in names}
        again = load(printed)
        assert [value for _, value, _ in shown(again)] == [value for _, value, _ in shown(settings)]


@pytest.mark.parametrize("value", ["0", "-1", "1.5GiB", "2 gigs", "true", "5XB"])
def test_what_is_no_size_is_refused(value: str) -> None:
    assert "is not a size such as 512MiB" in problems({"CODEAI_WORKER_MEMORY_LIMIT": value})[0]


@pytest.mark.parametrize(
    "value",
    ["*", "null", "https://*.example", "console.example", "https://a.example/", "https://u@a.example"],
)
def test_what_is_no_origin_is_refused(value: str) -> None:
    (told,) = problems({"CODEAI_SERVER_CORS_ORIGINS": f"https://good.example,{value}"})
    assert told.endswith(f"has {value!r}, which is no origin such as https://console.example.com")


def test_it_is_known_which_files_the_settings_were_read_from(tmp_path: Path) -> None:
    file, key = tmp_path / "own.yaml", tmp_path / "secret"
    file.write_text("server: {port: 9000}\n")
    key.write_text("x" * 32)
    assert load({"JWT_SECRET_FILE": str(key)}, file).files == (file, key)


def test_no_two_settings_have_one_name() -> None:
    names = [name for row in ROWS for name in row.names]
    assert len(names) == len(set(names))


def test_what_requests_may_reach_is_read_and_checked() -> None:
    given = "localhost:9000, 10.1.0.0/16,[::1]:80"
    settings = load({"CODEAI_OUTBOUND_ALLOW": given, "CODEAI_OUTBOUND_PROXY": "http://u:quiet@proxy:3128"})
    assert [str(one) for one in settings.outbound.allow] == ["localhost:9000", "10.1.0.0/16", "[::1]:80"]
    lines = {path: value for path, value, _ in shown(settings)}
    assert lines["outbound.allow"] == "localhost:9000,10.1.0.0/16,[::1]:80"
    assert lines["outbound.proxy"] == "***"
    assert load({}).outbound.allow == ()
    found = problems(
        {"CODEAI_OUTBOUND_ALLOW": "10.1.0.1/16", "CODEAI_OUTBOUND_PROXY": "socks5://u:quiet@proxy"}
    )
    assert found == [
        "CODEAI_OUTBOUND_ALLOW: outbound.allow '10.1.0.1/16' is no host[:port], address or CIDR: 10.1.0.1/16",
        "CODEAI_OUTBOUND_PROXY: outbound.proxy is not the URL of an HTTP proxy, such as "
        "http://proxy.internal:3128",
    ]


def test_a_public_key_is_looked_at_and_a_private_one_is_not_repeated(tmp_path: Path) -> None:
    from joserfc.jwk import ECKey, RSAKey

    key = RSAKey.generate_key(2048)
    file = tmp_path / "key.pem"
    file.write_bytes(key.as_pem(private=False))
    assert load({"JWT_PUBLIC_KEY_FILE": str(file)}).jwt.public_key == file.read_text().strip()
    with pytest.warns(match="2048 bits"):
        short = RSAKey.generate_key(1024).as_pem(private=False)
    for pem, said in (
        (key.as_pem(private=True), "is a private key"),
        (ECKey.generate_key("P-256").as_pem(private=False), "is not a public RSA key"),
        (short, "has 1024 bits; an RSA key must have at least 2048"),
        (b"hello", "is not a public RSA key"),
    ):
        (problem,) = problems({"JWT_PUBLIC_KEY": pem.decode()})
        assert said in problem and "BEGIN" not in problem.replace("(-----BEGIN PUBLIC KEY-----)", "")
    (problem,) = problems({"JWT_SECRET": key.as_pem(private=False).decode()})
    assert "is a PEM key" in problem


@pytest.mark.parametrize(
    "url", ["ftp://x/keys", "https://", "login.example.com", "https://me@x/keys", "http://x:y"]
)
def test_what_is_no_url_of_keys_is_refused(url: str) -> None:
    assert "is not a URL" in problems({"JWKS_URL": url})[0]


def test_one_source_of_public_keys_is_enough() -> None:
    from joserfc.jwk import RSAKey

    pem = RSAKey.generate_key(2048).as_pem(private=False).decode()
    (problem,) = problems({"JWT_PUBLIC_KEY": pem, "JWKS_URL": "https://login.example.com/keys"})
    assert "set one of the two" in problem
