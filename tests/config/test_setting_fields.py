"""The table of settings: every key of the model, with its default, and the words of a form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from muniment.config.check import setting_problems
from muniment.config.model import GatewaySection, NotifyMail, NotifySection, Settings
from muniment.config.setting_fields import FIELDS, SECTIONS, in_file, in_form, keys_of_model
from muniment.profiles.fields import FIELD

ROOT = Path(__file__).parents[2]


def test_every_key_of_the_model_has_a_field() -> None:
    assert set(keys_of_model()) == set(FIELDS)
    assert sum(len(section.fields) for section in SECTIONS) == len(FIELDS)


def test_each_key_in_an_example_of_the_documents_has_a_field() -> None:
    found = {key for page in (ROOT / "docs").glob("*.md") for key in keys_in(page.read_text("utf-8"))}
    assert len(found) > 20
    assert found <= {*FIELDS, *(f"profile.{name}" for name in FIELD), "profile.source"}


def keys_in(page: str) -> Iterator[str]:
    """The dotted paths of the keys in the examples of vault.toml on a page."""
    section = ""
    for line in page.splitlines():
        if head := re.match(r"    \[([\w.]+)\]", line):
            section = re.sub(r"^profile\..*", "profile", head[1])
        elif not line.startswith("    "):
            section = ""
        elif section and (key := re.match(r"    (\w+) *=", line)):
            yield section if section in FIELDS else f"{section}.{key[1]}"


@pytest.mark.parametrize("field", FIELDS.values(), ids=lambda field: field.key)
def test_a_field_can_be_shown(field: object) -> None:
    known = FIELDS[field.key]  # type: ignore[attr-defined]
    assert len(known.label) <= 25
    assert known.help.endswith((".", "…"))
    if known.type == "choice":
        assert len(known.says) == len(known.choices)
        assert known.default in known.choices
    if known.type == "number":
        assert known.least < known.most
        assert known.default is None or known.least <= known.default <= known.most
    if known.type == "flag":
        assert len(known.says) == 2


def test_limits_of_numbers_are_those_of_the_checks() -> None:
    for field in FIELDS.values():
        section, _, name = field.key.rpartition(".")
        if field.type != "number" or section not in ("gateway", "notify"):
            continue
        for value, wrong in ((field.least - 1, True), (field.most, False)):
            found = problems_of(section, name, value)
            assert (field.key in found) is wrong, (field.key, value)


def problems_of(section: str, name: str, value: int) -> dict[str, str]:
    made = {"gateway": GatewaySection, "notify": NotifySection}[section](**{name: value})
    return dict(setting_problems(Settings(**{section: made})))


def test_a_sentence_is_for_the_file_or_for_a_form() -> None:
    mail = NotifyMail(by="graph", to=("a@example.org",))
    found = dict(setting_problems(Settings(notify=NotifySection(mail=mail))))
    sentence = found["notify.mail.auth"]
    assert in_file(sentence, "notify.mail") == (
        'by = "graph" can\'t use a password; set auth = "app" or auth = "device"'
    )
    assert in_form(sentence, "notify.mail") == (
        'Mail is sent by "Microsoft Graph" can\'t use a password; set Log in by "application" or Log in by '
        '"person"'
    )


def test_braces_of_a_typed_text_stay() -> None:
    assert in_form("'{listen}x {nothing}' is wrong", "gateway").endswith("{nothing}' is wrong")


def test_all_problems_are_found_not_only_the_first() -> None:
    gateway = GatewaySection(listen="x", networks=("1",), reserve=-1, key="k")
    keys = [key for key, _ in setting_problems(Settings(gateway=gateway, domains=("a b",)))]
    assert set(keys) == {
        "domains", "gateway.key", "gateway.reserve", "gateway.networks", "gateway.listen",
        "gateway.addresses",
    }  # fmt: skip
