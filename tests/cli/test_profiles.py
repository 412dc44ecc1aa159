"""profile add, list, show, edit, test, remove."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from muniment.api import (
    Certificate,
    CheckProfile,
    Done,
    ListProfiles,
    Problems,
    Profiles,
    ProfileWord,
    PutProfile,
    RemoveProfile,
    RenameProfile,
    ShowProfile,
    Step,
    WireWord,
)
from muniment.api import (
    TestProfile as TryProfile,
)
from muniment.cli.profiles import FIELD_NAMES
from muniment.config.model import PROFILE_KEYS
from muniment.errors import CertificateRefused, LoginRefused
from support.engine_double import HOSTILE, Answer, EngineDouble, assert_shown_harmlessly, invoke

DONE = Done(message="Profile gw added.")
GW = ProfileWord(name="gw", source="gateway", fields={"host": "gw.example", "mailbox": "mbx-1", "every": 60})
OLD = ProfileWord(name="old", source="mbox", fields={"path": "/srv/old.mbox", "enabled": False})


def put(*argv: str) -> PutProfile:
    double = EngineDouble({PutProfile: DONE})
    result = invoke(double, "profile", *argv)
    assert result.code == 0, result.err
    (asked,) = double.asked
    assert isinstance(asked, PutProfile)
    return asked


def test_every_field_of_the_configuration_has_an_option() -> None:
    assert set(FIELD_NAMES) == set(PROFILE_KEYS) - {"untested"}


def test_add_passes_on_only_what_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked = put("add", "gw", "--source", "gateway", "--host", "gw.example", "--password-file", "gw.pass")
    assert asked == PutProfile(
        name="gw",
        fields={"source": "gateway", "host": "gw.example", "password": {"file": str(tmp_path / "gw.pass")}},
        new=True,
    )


@pytest.mark.parametrize(
    ("argv", "field", "value"),
    [
        (["--port", "110"], "port", 110),
        (["--mailbox", "mbx-1@gw"], "mailbox", "mbx-1@gw"),
        (["--password-env", "PASS"], "password", {"env": "PASS"}),
        (["--password-command", "pass show 'gw \\'"], "password", {"command": "pass show 'gw \\'"}),
        (["--password-keyring", "gw"], "password", {"keyring": "gw"}),
        (["--path", "/srv/mail"], "path", "/srv/mail"),
        (["--folder", "Journal"], "folder", "Journal"),
        (["--delete"], "delete", True),
        (["--keep"], "delete", False),
        (["--every", "60"], "every", 60),
        (["--timeout", "10"], "timeout", 10),
        (["--journal"], "journal", True),
        (["--no-journal"], "journal", False),
        (["--tenant", "x@quill.example"], "tenant", "x@quill.example"),
        (["--plain", "route"], "plain", "route"),
        (["--unknown", "leave"], "unknown", "leave"),
        (["--owner", "ada@quill.example"], "owner", "ada@quill.example"),
        (["--security", "tls"], "security", "tls"),
        (["--fingerprint", "ab12"], "fingerprint", "ab12"),
        (["--ca-file", "/etc/ca.pem"], "ca_file", "/etc/ca.pem"),
        (["--enabled"], "enabled", True),
        (["--disabled"], "enabled", False),
    ],
)
def test_each_option_is_a_field(argv: list[str], field: str, value: object) -> None:
    assert put("add", "gw", "--source", "imap", *argv).fields == {"source": "imap", field: value}
    assert put("edit", "gw", *argv) == PutProfile(name="gw", fields={field: value})


def test_edit_can_reset_a_field_to_its_default() -> None:
    assert put("edit", "gw", "--every", "60", "--unset", "port").fields == {"every": 60, "port": None}


@pytest.mark.parametrize(
    "argv",
    [
        ["add", "gw"],
        ["add", "gw", "--source", "fax"],
        ["add", "gw", "--source", "imap", "--password-env", "A", "--password-file", "b"],
        ["edit", "gw"],
        ["edit", "gw", "--port", "1", "--unset", "port"],
        ["add", "gw", "--source", "imap", "--port", "0"],
    ],
)
def test_wrong_options(argv: list[str]) -> None:
    double = EngineDouble({PutProfile: DONE})
    assert invoke(double, "profile", *argv).code == 2
    assert not double.asked


def test_list() -> None:
    out = invoke(EngineDouble({ListProfiles: Profiles(profiles=(GW, OLD))}), "profile", "list").out
    _, gw, old = out.splitlines()
    assert gw.split() == ["gw", "gateway", "60", "s", "gw.example/mbx-1"]
    assert old.split() == ["old", "mbox", "off", "/srv/old.mbox"]


def test_list_without_profiles() -> None:
    double = EngineDouble({ListProfiles: Profiles(profiles=())})
    assert "profile add --help" in invoke(double, "profile", "list").out
    assert json.loads(invoke(double, "profile", "list", "--json").out) == []


def test_show() -> None:
    word = ProfileWord(name="gw", source="imap", fields={"host": "h", "port": None, "password": {"env": "P"}})
    double = EngineDouble({ShowProfile: word})
    out = invoke(double, "profile", "show", "gw").out
    assert out == 'gw: imap\n  host        h\n  password    {"env": "P"}\n'
    data = json.loads(invoke(double, "profile", "show", "gw", "--json").out)
    assert data == {
        "name": "gw",
        "source": "imap",
        "fields": {"host": "h", "port": None, "password": {"env": "P"}},
        "version": "",
        "tested": True,
    }


def test_a_test_that_succeeds() -> None:
    words = [Step(text="connected"), Step(text="listed 3"), Done(message="Profile gw works.")]
    double = EngineDouble({TryProfile: words})
    result = invoke(double, "profile", "test", "gw")
    assert (result.code, result.out) == (0, "ok      connected\nok      listed 3\nProfile gw works.\n")
    data = json.loads(invoke(double, "profile", "test", "gw", "--json").out)
    assert data["ok"]
    assert [step["text"] for step in data["steps"]] == ["connected", "listed 3"]


def test_a_test_that_fails_half_way() -> None:
    words: list[WireWord] = [
        Step(text="connected"), Step(text="login", ok=False), Done(message="It does not work."),
    ]  # fmt: skip
    result = invoke(EngineDouble({TryProfile: words}), "profile", "test", "gw")
    assert result.code == 7
    assert "FAILED  login" in result.out
    refused: Answer = [Step(text="connected"), LoginRefused("the server refused the password")]
    result = invoke(EngineDouble({TryProfile: refused}), "profile", "test", "gw")
    assert (result.code, result.out) == (8, "ok      connected\n")


def test_a_certificate_is_shown_and_how_to_trust_it() -> None:
    seen = Certificate(
        subject="CN=gw",
        issuer="CN=gw",
        expires=1900000000,
        fingerprint="ab" * 32,
        self_signed=True,
        trusted=False,
    )
    double = EngineDouble(
        {TryProfile: [Step(text="connected"), seen, CertificateRefused("unknown authority")]}
    )
    result = invoke(double, "profile", "test", "gw")
    assert result.code == 9
    assert "certificate of CN=gw, issued by itself" in result.out
    assert f"--fingerprint {'ab' * 32}" in result.out


def test_copy_and_rename() -> None:
    double = EngineDouble({ListProfiles: Profiles(profiles=(GW, OLD)), PutProfile: DONE, RenameProfile: DONE})
    assert invoke(double, "profile", "copy", "gw", "gw2", "--every", "5").code == 0
    fields = {"source": "gateway", "host": "gw.example", "mailbox": "mbx-1", "every": 5}
    assert double.asked[1] == PutProfile(name="gw2", fields=fields, new=True)
    assert invoke(double, "profile", "copy", "no", "gw2").code == 10
    assert invoke(double, "profile", "rename", "gw", "hq").code == 0
    assert double.asked[-1] == RenameProfile(name="gw", to="hq")


def test_remove() -> None:
    double = EngineDouble({RemoveProfile: Done(message="Profile gw removed.")})
    assert invoke(double, "profile", "remove", "gw").out == "Profile gw removed.\n"
    assert double.asked == [RemoveProfile(name="gw")]


@pytest.mark.parametrize("argv", [["list"], ["show", "x"], ["test", "x"]])
def test_hostile_servers_are_made_harmless(argv: list[str]) -> None:
    hostile = ProfileWord(name=HOSTILE, source="imap", fields={"host": HOSTILE, "mailbox": HOSTILE})
    shown = Certificate(
        subject=HOSTILE, issuer=HOSTILE, expires=0, fingerprint="00", self_signed=False, trusted=False
    )
    double = EngineDouble(
        {
            ListProfiles: Profiles(profiles=(hostile,)),
            ShowProfile: hostile,
            TryProfile: [Step(text=HOSTILE), shown, Done(message=HOSTILE)],
        }
    )
    assert_shown_harmlessly(invoke(double, "profile", *argv).out)


# --- untested profiles run by hand only ---------------------------------------------------------------


class Keyboard(io.StringIO):
    """Standard input from a terminal."""

    def isatty(self) -> bool:
        return True


def fields_put(double: EngineDouble) -> dict[str, Any]:
    """The fields of the last request, which puts a profile."""
    request = double.asked[-1]
    assert isinstance(request, PutProfile)
    return request.fields


@pytest.mark.parametrize(("typed", "enabled"), [("y\n", True), ("\n", False), ("n\n", False), ("", False)])
def test_on_a_terminal_add_asks_whether_a_new_profile_runs_by_itself(
    monkeypatch: pytest.MonkeyPatch, typed: str, enabled: bool
) -> None:
    monkeypatch.setattr("sys.stdin", Keyboard(typed))
    double = EngineDouble({CheckProfile: Problems(tested=False), PutProfile: Done(message="Added.")})
    argv = ["profile", "add", "gw", "--source", "gateway", "--host", "gw.example", "--mailbox", "m"]
    out = invoke(double, *argv, terminal=True).out
    assert "gw was not tested. Run it from now on, every 300 s? What is safely kept is deleted" in out
    assert fields_put(double)["enabled"] == enabled


@pytest.mark.parametrize("more", [["--enabled"], ["--disabled"], ["--json"]])
def test_add_asks_nothing_with_enabled_disabled_or_json(
    monkeypatch: pytest.MonkeyPatch, more: list[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Keyboard("y\n"))
    double = EngineDouble({PutProfile: Done(message="Added.")})
    invoke(double, "profile", "add", "gw", "--source", "gateway", "--host", "h", *more, terminal=True)
    assert [type(one) for one in double.asked] == [PutProfile]
    assert fields_put(double).get("enabled") == {"--enabled": True, "--disabled": False}.get(more[0])


def test_add_asks_nothing_without_a_terminal() -> None:
    double = EngineDouble({PutProfile: Done(message="Added.")})
    invoke(double, "profile", "add", "gw", "--source", "gateway", "--host", "h")
    assert "enabled" not in fields_put(double)


def test_the_list_names_untested_profiles() -> None:
    words = Profiles(profiles=(ProfileWord(name="gw", source="imap", fields={}, tested=False),))
    out = invoke(EngineDouble({ListProfiles: words}), "profile", "list").out
    assert "untested" in out
    assert out.endswith("gw is not tested yet: it runs by hand only.\n")
