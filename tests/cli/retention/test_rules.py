"""retention set, end, list, show: what is typed, the file of rules, text and JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from muniment.api import (
    Done,
    EndRule,
    ListRules,
    MailCriteria,
    MessageRetention,
    RuleDate,
    Rules,
    RuleSpec,
    RulesSet,
    RuleWord,
    SetRules,
    ShowRetention,
)
from support.engine_double import HOSTILE, EngineDouble, assert_shown_harmlessly, invoke

WORD = RuleWord(
    name="invoices", version=2, kind="keep", period={"years": 10}, anchor="year", zone="",
    rule="keep at least 10 years from the end of the year of receipt",
    mail="mail with a file that ends in .pdf",
    selection={"kinds": ["pdf"]}, record=7, since=1736186997,
)  # fmt: skip
GO = RuleWord(
    name="all", version=1, kind="dispose", period={"years": 11}, anchor="received", zone="",
    rule="dispose after 11 years from receipt", mail="all mail", selection={}, record=8, since=1736186997,
)  # fmt: skip
ID = "9be1770c" + "0" * 56
FILE = """
[[rule]]
name = "invoices"
keep = "10 years"
end_of_year = true
file_kind = "pdf"
direction = "in"
min_size = "5k"

[[rule]]
name = "applicants"
dispose = "6 months"
person = ["jobs@example.com", "hr@example.com"]
attachments = true
"""
RULES = (
    RuleSpec(
        name="invoices", kind="keep", period="10 years", anchor="year",
        mail=MailCriteria(kinds=("pdf",), direction="in", least=5120),
    ),
    RuleSpec(
        name="applicants", kind="dispose", period="6 months",
        mail=MailCriteria(people=("jobs@example.com", "hr@example.com"), attachments=True),
    ),
)  # fmt: skip


def engine() -> EngineDouble:
    answer = RulesSet(message="1 rule set: invoices (version 2).", rules=(WORD,), warnings=("a: b",))
    return EngineDouble(
        {SetRules: answer, EndRule: Done(message="ended"), ListRules: Rules(rules=(WORD, GO))}
    )


def test_set_sends_what_was_typed() -> None:
    double = engine()
    line = (
        "retention set invoices --keep 10y --end-of-year --person bob --person a@b.example "
        "--domain c.example --direction out --folder Inbox --profile gw --min-size 5M --max-size 1g "
        "--no-attachments --file-kind pdf --received-from 2026 --received-until 2027-03 --query subject:x "
        "--dry-run"
    )
    result = invoke(double, *line.split())
    assert result.code == 0
    (asked,) = double.asked
    assert isinstance(asked, SetRules)
    assert asked.check
    assert asked.rules == (
        RuleSpec(
            name="invoices", kind="keep", period="10y", anchor="year",
            mail=MailCriteria(
                people=("bob", "a@b.example"), domains=("c.example",), direction="out", folders=("Inbox",),
                profiles=("gw",), least=5 << 20, most=1 << 30, attachments=False, kinds=("pdf",),
                since="2026", until="2027-03", query="subject:x",
            ),
        ),
    )  # fmt: skip
    assert result.out.splitlines() == [
        "invoices (version 2): keep at least 10 years from the end of the year of receipt: mail with a file "
        "that ends in .pdf",
        "1 rule set: invoices (version 2).",
    ]
    assert "Note: a: b." in result.err


def test_set_in_json() -> None:
    answer = json.loads(invoke(engine(), "retention", "set", "all", "--dispose", "1y", "--json").out)
    assert answer["message"] == "1 rule set: invoices (version 2)."
    assert answer["rules"][0]["since"] == "2025-01-06T18:09:57Z"
    assert answer["rules"][0]["until"] is None


@pytest.mark.parametrize("name", ["rules.toml", "rules.json"])
def test_rules_are_read_from_a_file(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    if name.endswith("json"):
        first = {"name": "invoices", "keep": "10 years", "end_of_year": True, "file_kind": ["pdf"]}
        first |= {"direction": "in", "min_size": 5120}
        second = {"name": "applicants", "dispose": "6 months", "attachments": True}
        second |= {"person": ["jobs@example.com", "hr@example.com"]}
        file.write_text(json.dumps({"rule": [first, second]}))
    else:
        file.write_text(FILE)
    double = engine()
    assert invoke(double, "retention", "set", "--from", str(file)).code == 0
    assert isinstance(double.asked[0], SetRules)
    assert double.asked[0].rules == RULES


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "has no list of rules"),
        ("rule = 3", "has no list of rules"),
        ("[[rules]]\nname = 'a'", "has no list of rules"),
        ("[[rule]]\nkeep = '1 year'", "rule 1: it needs a name"),
        ("[[rule]]\nname = 'a'", "rule 1: give either keep"),
        ("[[rule]]\nname = 'a'\nkeep = '1y'\ndispose = '1y'", "rule 1: give either keep"),
        (
            "[[rule]]\nname = 'a'\nkeep = '1y'\nkind = 'x'",
            "unknown key 'kind'; known: attachments, direction",
        ),
        ("[[rule]]\nname = 'a'\nkeep = '1y'\nperson = 3", "person must be a text or a list of texts"),
        ("[[rule]]\nname = 'a'\nkeep = '1y'\nperson = [3]", "person must be a text or a list of texts"),
        ("[[rule]]\nname = 'a'\nkeep = '1y'\nmin_size = 'big'", "big is not a size"),
        ("[[rule]]\nname = 'a'\nkeep = '1y'\nattachments = 'yes'", "attachments must be true or false"),
        ("[[rule]]\nname = 'a'\nkeep = '1y'\nend_of_year = 'yes'", "end_of_year must be true or false"),
        ("[[rule\n", "can't be read"),
        ('{"rule": ', "can't be read"),
    ],
)
def test_a_wrong_file_is_refused_and_the_place_named(tmp_path: Path, text: str, part: str) -> None:
    file = tmp_path / "rules"
    file.write_text(text)
    double = engine()
    result = invoke(double, "retention", "set", "--from", str(file))
    assert result.code == 3
    assert part in result.err
    assert double.asked == []


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("retention set", "Name either a rule or a file"),
        ("retention set a --from f.toml", "Name either a rule or a file"),
        ("retention set --from f.toml --keep 1y", "leave out the options that describe one"),
        ("retention set --from f.toml --no-attachments", "leave out the options that describe one"),
        ("retention set a", "give either keep"),
        ("retention set a --keep 1y --dispose 1y", "give either keep"),
        ("retention set a --keep 1y --max-size much", "much is not a size"),
    ],
)
def test_a_wrong_line_is_refused(line: str, part: str) -> None:
    result = invoke(engine(), *line.split())
    assert result.code == 2
    assert part in result.err


def test_a_missing_file_is_named() -> None:
    result = invoke(engine(), "retention", "set", "--from", "/nowhere/rules.toml")
    assert (result.code, result.err) == (
        3, "muniment: /nowhere/rules.toml can't be read: No such file or directory.\n"
    )  # fmt: skip


def test_end() -> None:
    double = engine()
    assert invoke(double, "retention", "end", "all", "--dry-run").out == "ended\n"
    assert double.asked == [EndRule(name="all", check=True)]


def test_list() -> None:
    out = invoke(engine(), "retention", "list").out.splitlines()
    assert out[0].split() == ["Rule", "Version", "Since", "Demands", "Mail"]
    assert out[1].startswith("invoices        2  2025-01-0")
    assert out[2].endswith("dispose after 11 years from receipt                         all mail")
    assert "in force" in invoke(engine(), "retention", "list", "--history").out
    none = EngineDouble({ListRules: Rules(rules=())})
    assert invoke(none, "retention", "list").out == "No retention rules: nothing is disposed of.\n"


def test_list_in_json() -> None:
    listed = json.loads(invoke(engine(), "retention", "list", "--json").out)
    assert [(one["name"], one["version"], one["until"]) for one in listed] == [
        ("invoices", 2, None),
        ("all", 1, None),
    ]


def test_show() -> None:
    def shown(**fields: object) -> str:
        answer = MessageRetention(id=ID, received=1736186997, **fields)  # type: ignore[arg-type]
        return invoke(EngineDouble({ShowRetention: answer}), "retention", "show", ID).out

    keep, go = RuleDate(time=2051222400, rule=WORD), RuleDate(time=2083276800, rule=GO)
    assert "Kept      no rule keeps it\nDisposal  by no rule\n" in shown()
    assert "by the rule 'invoices' (version 2: keep at least 10 years" in shown(keep=keep)
    assert "Disposal  from 2036-01-0" in shown(dispose=go, goes=2083276800)
    later = shown(keep=RuleDate(time=2090000000, rule=WORD), dispose=go, goes=2090000000)
    assert "; it is kept until 2036-03-2" in later
    held = shown(dispose=go, holds=("the hold 'case 7'",))
    assert "Held      the hold 'case 7'" in held
    assert "a legal hold keeps it until that is released" in held
    assert "a rule may be about it, but the index is late: it stays" in shown(doubt="the index is late")


def test_show_in_json() -> None:
    answer = MessageRetention(id=ID, received=1736186997, keep=RuleDate(time=2051222400, rule=WORD))
    shown = json.loads(invoke(EngineDouble({ShowRetention: answer}), "retention", "show", ID, "--json").out)
    assert (shown["received"], shown["goes"], shown["dispose"]) == ("2025-01-06T18:09:57Z", None, None)
    assert shown["keep"]["time"] == "2035-01-01T00:00:00Z"
    assert shown["keep"]["rule"]["name"] == "invoices"


def test_hostile_names_are_shown_harmlessly() -> None:
    hostile = EngineDouble({ListRules: Rules(rules=(RuleWord(
        name=HOSTILE, version=1, kind="keep", period={"days": 1}, anchor="received", zone=HOSTILE,
        rule=HOSTILE, mail=HOSTILE, selection={HOSTILE: HOSTILE},
    ),))})  # fmt: skip
    for words in (("list",), ("list", "--history")):
        assert_shown_harmlessly(invoke(hostile, "retention", *words).out)
