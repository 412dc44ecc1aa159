"""[notify]: its values, one sentence for each error, and no secret in any of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from muniment.config.file import interpret
from muniment.config.model import NotifySection, Settings
from muniment.config.notify_urls import labels
from muniment.errors import ConfigError
from muniment.service.host.session import without_secrets

WHOLE = """
[notify]
urls = [
    { file = "ntfy.url" },
    "json://ines:hunter2@hooks.example/token-123",
    { command = ["pass", "show", "url-arg"] },
]
daily = "07:30"
silent_hours = 0
silent = { gw = 48 }
[notify.mail]
host = "smtp.example.org"
login = "archive"
password = { command = ["pass", "show", "mail-arg"] }
to = ["ines@example.org"]
[notify.command]
run = ["/usr/local/bin/page", "--key", "run-arg"]
"""
GRAPH = '[notify.mail]\nby = "graph"\nto = ["a@example.org"]\nauth = "app"\nlogin = "a@b.example"\n'
APP = 'directory = "d"\nclient_id = "c"\n'
MAIL = '[notify.mail]\nhost = "h"\nto = ["a@example.org"]\n'


def test_all_settings_are_read() -> None:
    notify = interpret(WHOLE, "vault.toml").notify
    assert notify.mail.to == ("ines@example.org",)
    assert notify.silent == {"gw": 48}
    assert notify.command.run[0] == "/usr/local/bin/page"
    assert len(notify.urls) == 3
    assert interpret("", "vault.toml").notify == NotifySection()


def test_the_ledger_gets_no_secret() -> None:
    text = json.dumps(without_secrets(interpret(WHOLE, "vault.toml")))
    for secret in ("hunter2", "token-123", "hooks.example", "url-arg", "mail-arg", "run-arg"):
        assert secret not in text
    assert '"urls": [{"file": "ntfy.url"}, "json", {"command": ["pass"]}]' in text


@pytest.mark.parametrize("place", [{"file": 5}, {"command": [5, "x"]}, {"command": "pass 'hunter2"}])
def test_a_place_of_another_type_has_a_label_and_is_recorded_without_secrets(place: dict[str, Any]) -> None:
    settings = Settings(notify=NotifySection(urls=(place, "://hunter2", "hunter2")))
    _, *secret = labels(settings.notify.urls)
    assert "hunter2" not in str(secret)
    assert "hunter2" not in json.dumps(without_secrets(settings))


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('[notify]\ndayly = "07:30"\n', "did you mean daily"),
        ('[notify]\ndaily = "7:30"\n', "local time of day"),
        ('[notify]\ndaily = "24:00"\n', "local time of day"),
        ("[notify]\nsilent_hours = -1\n", "silent_hours must be from 0"),
        ("[notify]\nsilent = { gw = 0 }\n", "silent hours of profile 'gw'"),
        ('[notify]\nurls = ["hunter2"]\n', "number 1, is not an Apprise URL"),
        ("[notify]\nurls = 5\n", "urls must be"),
        ('[notify]\nurls = "json://hunter2@hooks.example"\n', "urls must be"),
        ("[notify]\nurls = [5]\n", "urls"),
        ('[notify]\nurls = ["://hunter2"]\n', "number 1, is not an Apprise URL"),
        ('[notify]\nurls = [{ file = "hunter2", env = "x" }]\n', "exactly one of"),
        ('[notify.mail]\nto = ["a@example.org"]\n', "host is missing"),
        ('[notify.mail]\nhost = "h"\n', "to is missing"),
        (MAIL + 'sender = "me"\n', "is not a mail address"),
        (MAIL.replace("a@example.org", ""), "'' is not a mail address"),
        (MAIL.replace("a@example.org", 'a@example.org", "'), "'' is not a mail address"),
        (MAIL.replace("a@example.org", " "), "' ' is not a mail address"),
        (MAIL.replace("a@example.org", "a@b, c@d"), "is not a mail address"),
        (MAIL.replace("a@example.org", "a@b\\u0007"), "is not a mail address"),
        (MAIL + 'login = "x"\n', "login and password belong together"),
        (MAIL + 'login = "x"\npassword = "hunter2"\n', "must not be in the file"),
        (MAIL + 'login = "x"\npassword = { env = "P" }\nsecurity = "none"\n', "unencrypted"),
        (MAIL + "port = 0\n", "port must be"),
        ('[notify.mail]\nby = "graph"\n', "to is missing"),
        ('[notify.mail]\nby = "graph"\nto = ["a@example.org"]\n', "can't use a password"),
        (GRAPH + 'directory = "d"\n', "client_id is missing"),
        (GRAPH + 'client_id = "c"\n', "directory is missing"),
        (GRAPH + APP, "give one of them"),
        (GRAPH + APP + 'password = { file = "x" }\ncertificate = "y"\n', "give one of them"),
        (GRAPH + APP + 'certificate = "y"\nauthority = "http://x"\n', "https://"),
        (GRAPH.replace("app", "device") + APP + 'certificate = "y"\n', "muniment notify sign-in"),
        (GRAPH.replace("login", "hostname") + APP, "hostname"),
        (MAIL + 'auth = "app"\n' + APP + 'certificate = "y"\n', "give it as login"),
        (MAIL + APP, "is for OAuth 2"),
        (MAIL + 'auth = "oauth"\n', "auth"),
        (MAIL + 'by = "pigeon"\n', "by"),
        (
            GRAPH.replace('by = "graph"', 'host = "h"\nsecurity = "none"') + APP + 'certificate = "y"\n',
            "unencrypted",
        ),
        ("[notify.command]\ntimeout = 5\n", "run is missing"),
        ('[notify.command]\nrun = ["x"]\ntimeout = 0\n', "timeout must be"),
        ("notify = 1\n", "notify must be a table"),
        ("[notify]\nmail = 1\n", "notify.mail must be a table"),
    ],
)
def test_errors_contain_no_secret(text: str, part: str) -> None:
    with pytest.raises(ConfigError) as raised:
        interpret(text, "vault.toml")
    assert part in str(raised.value)
    assert "hunter2" not in str(raised.value)
