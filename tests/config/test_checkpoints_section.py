"""The section [checkpoints] of vault.toml."""

from __future__ import annotations

import pytest

from muniment.config.file import interpret
from muniment.errors import ConfigError
from muniment.evidence.note_keys import KeyKind, new_key

KEY = str(new_key("w.example/1", KeyKind.COSIGNATURE).verifier)
MAIL = '[notify.mail]\nhost = "relay.example"\nto = ["a@example.org"]\n'


def read(lines: str, more: str = "") -> None:
    interpret(f"{more}[checkpoints]\n{lines}\n", "vault.toml")


@pytest.mark.parametrize(
    ("lines", "word"),
    [
        ('origin = "two words"', "origin"),
        ('origin = "a+b"', "origin"),
        (f'origin = "{"a" * 201}"', "origin"),
        (f'witnesses = ["w.example"]\nwitness_keys = ["{KEY}"]', "https"),
        (f'witnesses = ["https://me:secret@w.example/"]\nwitness_keys = ["{KEY}"]', "https"),
        ('witnesses = ["https://w.example/"]', "witness_keys"),
        ('witness_keys = ["nothing"]', "NAME"),
        ('authority = "ftp://x/"\nauthority_root = "r.pem"', "https"),
        ('authority = "https://x/"', "authority_root"),
        ('mail = ["nobody"]', "nobody"),
        ('mail = ["a@example.org"]', "notify.mail"),
        ("unknown = 1", "unknown"),
        ('sign = "yes"', "true or false"),
    ],
)
def test_what_is_wrong_is_said(lines: str, word: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(lines)
    assert word in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "lines",
    [
        "sign = true",
        f'witnesses = ["https://w.example/", "http://127.0.0.1:8472"]\nwitness_keys = ["{KEY}"]',
        'folder = "/mnt/x"\ngit = "/srv/git"\nkey = "/etc/key"\norigin = "example.org/archive"',
        'mail = ["a@example.org"]\nnotify = true',
        'authority = "https://tsa.example/tsr"\nauthority_root = "root.pem"',
    ],
)
def test_what_is_right_is_read(lines: str) -> None:
    read(lines, MAIL)
