import base64
from datetime import timedelta

import pytest

from flows.errors import StartUpError
from runtime.settings import Settings, load_settings

KEY = base64.b64encode(bytes(32)).decode()


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"PERDURE_{name.upper()}", raising=False)


def test_defaults_point_at_the_embedded_platform() -> None:
    settings = load_settings()

    assert settings.temporal_address == "127.0.0.1:7233"
    assert settings.mongodb_uri.get_secret_value() == "mongodb://127.0.0.1:27018/?replicaSet=rs0"
    assert (settings.task_queue, settings.mongodb_database) == ("perdure", "perdure")
    assert settings.reconcile_interval == timedelta(seconds=30)
    assert settings.jwt_secret is None


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERDURE_ALLOWED_PRIVATE_HOSTS", "127.0.0.1, 10.0.0.0/8,,intern")
    monkeypatch.setenv("PERDURE_ENCRYPTION_KEYS", f"{KEY},{KEY}")

    settings = load_settings()

    assert settings.allowed_private_hosts == ("127.0.0.1", "10.0.0.0/8", "intern")
    assert [key.get_secret_value() for key in settings.encryption_keys] == [KEY, KEY]


@pytest.mark.parametrize(
    ("text", "expected"), [("0.5", timedelta(seconds=0.5)), ("PT2M", timedelta(minutes=2))]
)
def test_durations_are_seconds_or_iso(
    monkeypatch: pytest.MonkeyPatch, text: str, expected: timedelta
) -> None:
    monkeypatch.setenv("PERDURE_RECONCILE_INTERVAL", text)

    assert load_settings().reconcile_interval == expected


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PERDURE_METRICS_PORT", "seventy-one"),
        ("PERDURE_METRICS_PORT", "70000"),
        ("PERDURE_LOG_FORMAT", "xml"),
        ("PERDURE_SMTP_RECEIVE_PORT", "70000"),
        ("PERDURE_SMTP_RECEIVE_MAX_BYTES", "1023"),
        ("PERDURE_RECONCILE_INTERVAL", "0"),
        ("PERDURE_ENCRYPTION_KEYS", "dG9vIHNob3J0"),
        ("PERDURE_ENCRYPTION_KEYS", "not base64!"),
    ],
)
def test_a_malformed_value_is_named_but_not_repeated(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(StartUpError) as refused:
        load_settings()

    assert refused.value.message.startswith(f"{variable}: ")
    assert value not in refused.value.message or value == "0"
    assert "\n" not in refused.value.message


def test_a_given_environment_wins_and_blanks_count_as_absent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PERDURE_TASK_QUEUE", "from-the-process")
    monkeypatch.setenv("PERDURE_LOG_LEVEL", "")

    settings = load_settings({"PERDURE_TASK_QUEUE": "given", "PERDURE_JWT_SECRET": ""})

    assert settings.task_queue == "given"
    assert settings.jwt_secret is None
    assert settings.log_level == "INFO"


def test_secrets_do_not_show() -> None:
    settings = load_settings({"PERDURE_JWT_SECRET": "hush", "PERDURE_ENCRYPTION_KEYS": KEY})

    assert "hush" not in repr(settings)
    assert KEY not in repr(settings)


def test_payloads_are_not_encrypted_without_a_key() -> None:
    with pytest.raises(StartUpError, match=r"^PERDURE_ENCRYPT_PAYLOADS: .*PERDURE_ENCRYPTION_KEYS"):
        load_settings({"PERDURE_ENCRYPT_PAYLOADS": "1"})
    with pytest.raises(StartUpError, match=r"^PERDURE_ENCRYPTION_KEYS: "):
        load_settings({"PERDURE_ENCRYPT_PAYLOADS": "1", "PERDURE_ENCRYPTION_KEYS": "short"})

    settings = load_settings({"PERDURE_ENCRYPT_PAYLOADS": "1", "PERDURE_ENCRYPTION_KEYS": KEY})

    assert settings.encrypt_payloads
    assert settings.keys() == (KEY,)


MAIL = {
    "PERDURE_SMTP_HOST": "mail.example",
    "PERDURE_SMTP_SENDER": "flows@example.org",
    "PERDURE_SMTP_USERNAME": "me",
    "PERDURE_SMTP_PASSWORD": "hush",
}


def test_a_mail_server_is_complete() -> None:
    settings = load_settings(MAIL)

    assert (settings.smtp_security, settings.smtp_port) == ("starttls", None)
    assert "hush" not in repr(settings)


@pytest.mark.parametrize(
    ("changed", "variable", "fault"),
    [
        ({"PERDURE_SMTP_SENDER": ""}, "PERDURE_SMTP_HOST", "PERDURE_SMTP_SENDER"),
        ({"PERDURE_SMTP_SENDER": "Ada <a@b.c>"}, "PERDURE_SMTP_SENDER", "e-mail address"),
        ({"PERDURE_SMTP_PASSWORD": ""}, "PERDURE_SMTP_HOST", "need each other"),
        ({"PERDURE_SMTP_SECURITY": "none"}, "PERDURE_SMTP_HOST", "PERDURE_SMTP_SECURITY"),
        ({"PERDURE_SMTP_SECURITY": "ssl"}, "PERDURE_SMTP_SECURITY", "starttls"),
    ],
)
def test_half_a_mail_server_stops_the_start(
    changed: dict[str, str], variable: str, fault: str
) -> None:
    with pytest.raises(StartUpError, match=f"^{variable}: .*{fault}"):
        load_settings({**MAIL, **changed})


@pytest.mark.parametrize(
    "entry", ["http://host", "host:80", "10.0.0.0/33", "*.example.org", "a b", "user@host"]
)
def test_a_permission_that_would_match_nothing_stops_the_start(entry: str) -> None:
    with pytest.raises(StartUpError, match=r"^PERDURE_ALLOWED_PRIVATE_HOSTS: .*entry 2"):
        load_settings({"PERDURE_ALLOWED_PRIVATE_HOSTS": f"127.0.0.1,{entry}"})


def test_names_addresses_and_ranges_are_permissions() -> None:
    entries = ("localhost", "internal.example.", "10.0.0.0/8", "fd00::/8", "[::1]", "::1", "*")

    settings = load_settings({"PERDURE_ALLOWED_PRIVATE_HOSTS": ",".join(entries)})

    assert settings.allowed_private_hosts == entries


def test_models_have_an_endpoint_and_names() -> None:
    settings = load_settings(
        {
            "PERDURE_LLM_BASE_URL": "https://models.example/v1",
            "PERDURE_LLM_MODELS": "small, large",
            "PERDURE_LLM_API_KEY": "hush",
            "PERDURE_LLM_HEADERS": '{"X-Gateway-Key": "hush"}',
        }
    )

    assert settings.llm_models == ("small", "large")
    assert settings.headers_of_models() == {"X-Gateway-Key": "hush"}
    assert "hush" not in repr(settings)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PERDURE_LLM_BASE_URL", "models.example"),
        ("PERDURE_LLM_BASE_URL", "https://models.example/v1?key=hush"),
        ("PERDURE_LLM_BASE_URL", "https://models.example/v1"),
        ("PERDURE_LLM_API_KEY", "hush\n"),
        ("PERDURE_LLM_HEADERS", "X-Key: hush"),
        ("PERDURE_LLM_HEADERS", '{"X-Key": 5}'),
        ("PERDURE_LLM_HEADERS", '{"X-Key": "hush\\r\\nX-Other: 1"}'),
        ("PERDURE_LLM_HEADERS", '{"X Key": "hush"}'),
    ],
)
def test_a_malformed_endpoint_of_models_stops_the_start(variable: str, value: str) -> None:
    with pytest.raises(StartUpError, match=f"^{variable}") as refused:
        load_settings({variable: value})

    assert "hush" not in refused.value.message
