"""Retention rules through the service: set, ended, listed, shown at a message, and simulated."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from muniment import api
from muniment.archive.retention.judging import rules_of
from muniment.archive.vault.open_vault import open_vault
from muniment.errors import NotFound, QueryError, UsageError
from muniment.service.access.roles import Caller
from muniment.service.host.session import ClientSession
from support.asking import answers
from support.reports import line, plain, report
from support.vaults import TestVault

TO_BOB = plain(to=["bob@example.com"], subject="invoice of june", body="please pay")
TO_CAROL = plain(to=["carol@example.com"], subject="lunch", body="at noon?")
TO_BOTH = plain(to=["bob@example.com", "carol@example.com"], subject="meeting", body="at nine")
BOBS, INVOICES = api.MailCriteria(people=("bob@example.com",)), api.MailCriteria(query="invoice")
YEAR = time.gmtime().tm_year


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[TestVault]:
    made = TestVault(tmp_path / "vault")
    made.archive(
        [
            report(TO_BOB, recipients=[line("To", "bob@example.com")]),
            report(TO_CAROL, recipients=[line("To", "carol@example.com")]),
            report(TO_BOTH, recipients=[line("To", "bob@example.com"), line("To", "carol@example.com")]),
        ]
    )
    yield made
    made.client.close()


def rule(name: str, **fields: Any) -> api.RuleSpec:
    """A rule that keeps all mail for ten years unless fields say otherwise."""
    return api.RuleSpec(**{"name": name, "kind": "keep", "period": "10 years"} | fields)


def set_rules(vault: TestVault, *rules: api.RuleSpec, **fields: Any) -> api.RulesSet:
    return vault.client.call(api.SetRules(rules=rules, **fields), api.RulesSet)


def rules(vault: TestVault, history: bool = False) -> list[tuple[str, int, dict[str, int]]]:
    listed = vault.client.call(api.ListRules(history=history), api.Rules).rules
    return [(one.name, one.version, one.period) for one in listed]


def simulated(vault: TestVault, at: str = "") -> api.Simulation:
    *_, answer = vault.client.stream(api.SimulateRetention(at=at))
    assert isinstance(answer, api.Simulation)
    return answer


def shown(vault: TestVault, subject: str) -> api.MessageRetention:
    (hit,) = vault.search(f"subject:{subject}")
    return vault.client.call(api.ShowRetention(id=hit.id[:8]), api.MessageRetention)


# --- rules ------------------------------------------------------------------------------------------------


def test_a_rule_is_set_lengthened_shortened_and_ended(vault: TestVault) -> None:
    assert set_rules(vault, rule("all")).message == "1 rule set: all (version 1)."
    assert set_rules(vault, rule("all", period="12 years")).warnings == ()
    (warning,) = set_rules(vault, rule("ALL", period="2 years")).warnings
    assert "mail that is there keeps the longer period of version 2" in warning
    assert rules(vault) == [("all", 3, {"years": 2})]
    vault.client.call(api.EndRule(name="all"), api.Done)
    assert rules(vault) == []
    assert [version for _, version, _ in rules(vault, history=True)] == [1, 2, 3]
    keep = shown(vault, "lunch").keep
    assert keep is not None
    assert (keep.rule.version, keep.rule.period) == (2, {"years": 12})
    vault.sound()


def test_a_rule_that_is_in_force_already_is_not_recorded_again(vault: TestVault) -> None:
    set_rules(vault, rule("all"))
    answer = set_rules(vault, rule("all"))
    assert answer.rules == ()
    assert answer.message.startswith("Nothing changes")
    assert len(rules(vault, history=True)) == 1


def test_a_dry_run_records_nothing(vault: TestVault) -> None:
    answer = set_rules(vault, rule("all"), rule("more", kind="dispose"), check=True)
    assert answer.message.startswith("2 rules would be set: all (version 1), more (version 1).")
    assert rules(vault, history=True) == []
    set_rules(vault, rule("all"))
    vault.client.call(api.EndRule(name="all", check=True), api.Done)
    assert rules(vault) != []


def test_several_rules_are_set_all_or_none(vault: TestVault) -> None:
    with pytest.raises(UsageError, match="is not a period"):
        set_rules(vault, rule("one"), rule("two", period="soon"))
    with pytest.raises(UsageError, match="the same name"):
        set_rules(vault, rule("one"), rule("One "))
    assert rules(vault, history=True) == []
    set_rules(vault, rule("one"), rule("two"))
    assert [name for name, _, _ in rules(vault)] == ["one", "two"]


@pytest.mark.parametrize(
    ("fields", "error", "part"),
    [
        ({"kind": "hide"}, UsageError, "no kind of rule"),
        ({"anchor": "sent"}, UsageError, "begins no period"),
        ({"name": "a\x1bb"}, UsageError, "can be shown"),
        ({"mail": api.MailCriteria(since="soon")}, UsageError, "'soon' is not a date"),
        ({"mail": api.MailCriteria(query="(")}, QueryError, "parenthes"),
        ({"mail": api.MailCriteria(people=("nobody",))}, NotFound, "nobody"),
    ],
)
def test_a_rule_that_can_not_be_used_is_refused(
    vault: TestVault, fields: dict[str, Any], error: type[Exception], part: str
) -> None:
    with pytest.raises(error, match=part):
        set_rules(vault, rule("all") if not fields else rule(**{"name": "all"} | fields))
    assert rules(vault, history=True) == []


def test_no_rule_and_an_unknown_rule_are_refused(vault: TestVault) -> None:
    with pytest.raises(UsageError, match="no rule is named"):
        set_rules(vault)
    with pytest.raises(NotFound, match="no retention rule 'all' is in force"):
        vault.client.call(api.EndRule(name="all"), api.Done)


def test_rules_have_the_zone_of_the_day_on_which_they_were_set(vault: TestVault) -> None:
    set_rules(vault, rule("before", anchor="year"))
    with (vault.folder / "vault.toml").open("a") as file:
        file.write('[retention]\nzone = "Asia/Tokyo"\n')
    set_rules(vault, rule("after", anchor="year"))
    listed = vault.client.call(api.ListRules(), api.Rules).rules
    assert [one.zone for one in listed] == ["", "Asia/Tokyo"]
    with closing(open_vault(vault.folder, write=False)) as opened:
        ends = [
            version.until(opened.catalog.messages_after(-1, 1)[0].received) for version in rules_of(opened)
        ]
    assert ends[0] - ends[1] == 9 * 3600


def test_rules_survive_a_rebuild(vault: TestVault) -> None:
    set_rules(vault, rule("all"), rule("bob", mail=api.MailCriteria(people=("bob@example.com",))))
    before = vault.client.call(api.ListRules(history=True), api.Rules)
    vault.rebuild()
    assert vault.client.call(api.ListRules(history=True), api.Rules) == before


# --- what they say of a message ---------------------------------------------------------------------------


def test_a_message_shows_the_rule_that_keeps_it_longest(vault: TestVault) -> None:
    mail = api.MailCriteria(people=("bob@example.com",))
    set_rules(
        vault, rule("all", period="6 years"), rule("bob", mail=mail), rule("go", kind="dispose", period="7y")
    )
    invoice, lunch = shown(vault, "invoice"), shown(vault, "lunch")
    assert invoice.keep is not None
    assert lunch.keep is not None
    assert invoice.dispose is not None
    assert (invoice.keep.rule.name, lunch.keep.rule.name) == ("bob", "all")
    assert invoice.goes == invoice.keep.time > invoice.dispose.time > lunch.keep.time
    assert lunch.dispose is not None
    assert lunch.goes == lunch.dispose.time
    assert abs(invoice.received - time.time()) < 600


def test_a_message_without_rules_is_kept_for_ever(vault: TestVault) -> None:
    lunch = shown(vault, "lunch")
    assert (lunch.keep, lunch.dispose, lunch.goes, lunch.holds) == (None, None, 0, ())


def test_what_may_be_meant_is_kept_and_does_not_go(vault: TestVault) -> None:
    """Bob's address was removed, so it is not certain whose mail the rules are about."""
    vault.client.call(api.AddUser(name="Bob", addresses=("b@example.com", "bob@example.com")), api.Done)
    mail = api.MailCriteria(people=("b@example.com",))
    set_rules(vault, rule("keep", mail=mail), rule("go", kind="dispose", period="1 day", mail=mail))
    assert simulated(vault, f"{YEAR + 20}").goes.messages == 2
    vault.client.call(api.RemoveUser(user="b@example.com", alias="bob@example.com"), api.Done)
    invoice = shown(vault, "invoice")
    assert invoice.keep is not None
    assert (invoice.dispose, invoice.doubt) == (None, "an address on it has changed hands")
    answer = simulated(vault, f"{YEAR + 20}")
    assert (answer.goes.messages, answer.unsure) == (0, 2)
    assert shown(vault, "lunch").keep is None


# --- simulation -------------------------------------------------------------------------------------------


def test_a_simulation_says_how_much_of_whom_would_go(vault: TestVault) -> None:
    set_rules(vault, rule("go", kind="dispose", period="11 years", anchor="year"))
    early, late = simulated(vault, f"{YEAR + 11}"), simulated(vault, f"{YEAR + 12}-01-01")
    assert (early.examined, early.goes.messages, early.examples) == (3, 0, ())
    assert (late.examined, late.goes.messages) == (3, 3)
    assert late.goes.bytes == sum(hit.size for hit in vault.messages())
    assert [(one.name, one.messages) for one in late.people] == [
        ("anna@example.com", 3),
        ("bob@example.com", 2),
        ("carol@example.com", 2),
    ]
    assert [(one.name, one.version, one.messages) for one in late.rules] == [("go", 1, 3)]
    assert late.months == {f"{YEAR + 12}-01": 3}
    assert {one.subject for one in late.examples} == {"invoice of june", "lunch", "meeting"}
    ids = sorted(bytes.fromhex(hit.id) for hit in vault.messages())
    assert (early.listed, early.list) == (0, f"0:{sha256(b'').hexdigest()}")
    assert (late.listed, late.list) == (3, f"3:{sha256(b''.join(ids)).hexdigest()}")


def test_a_simulation_counts_what_another_rule_keeps(vault: TestVault) -> None:
    set_rules(
        vault,
        rule("go", kind="dispose", period="1 year"),
        rule("invoices", mail=api.MailCriteria(query="subject:invoice")),
    )
    answer = simulated(vault, f"{YEAR + 3}")
    assert (answer.goes.messages, answer.kept, answer.held, answer.unsure) == (2, 1, 0, 0)
    assert simulated(vault, f"{YEAR + 13}").goes.messages == 3


def test_a_disposal_leaves_what_a_rule_may_not_mean(vault: TestVault) -> None:
    """The index lacks a message, so that no one knows whether the query finds it."""
    set_rules(vault, rule("go", kind="dispose", period="1 day", mail=api.MailCriteria(query="subject:lunch")))
    assert simulated(vault, "2090").goes.messages == 1
    vault.client.close()
    (vault.folder / "index").rename(vault.folder / "elsewhere")
    answer = simulated(TestVault(vault.folder), "2090")
    assert (answer.goes.messages, answer.unsure) == (0, 3)
    assert sum(answer.doubts.values()) == 3


def test_a_simulation_counts_sealed_mail_and_shows_none_of_it(vault: TestVault) -> None:
    set_rules(vault, rule("go", kind="dispose", period="1 day"))
    seal = api.SealMail(user="carol@example.com", logins=("nobody",), reason="works council")
    vault.client.call(seal, api.Done)
    answer = simulated(vault, "2090")
    assert answer.goes.messages == 3
    assert [one.subject for one in answer.examples] == ["invoice of june"]
    assert "carol@example.com" not in {one.name for one in answer.people}


@pytest.mark.parametrize(
    ("new", "ended"),
    [
        ((rule("all", kind="dispose", period="2 years"),), ()),
        ((rule("tax", period="20 years", mail=BOBS),), ()),
        ((rule("go", kind="dispose", period="1 day", mail=INVOICES), rule("new", period="3 days")), ()),
        ((), ("TAX",)),
        ((rule("tax", period="1 day"),), ("go",)),
        ((rule("tax", kind="dispose", period="1 day"),), ()),
    ],
    ids=["another", "longer", "two", "ended", "shorter", "of the other kind"],
)
@pytest.mark.parametrize("at", ["", "2030", "2090"])
def test_a_simulation_of_rules_that_are_not_set_says_what_it_says_once_they_are(
    vault: TestVault, new: tuple[api.RuleSpec, ...], ended: tuple[str, ...], at: str
) -> None:
    set_rules(vault, rule("tax", period="9 years"), rule("go", kind="dispose", period="1 day"))
    *_, tried = vault.client.stream(api.SimulateRetention(at=at, rules=new, ended=ended))
    assert isinstance(tried, api.Simulation)
    assert (tried.list, tried.listed) == ("", 0), "nothing can be erased by it"
    assert len(rules(vault, history=True)) == 2, "nothing is recorded"
    if new:
        set_rules(vault, *new)
    for name in ended:
        vault.client.call(api.EndRule(name=name), api.Done)
    then = simulated(vault, at)
    assert replace(then, at=0, list="", listed=0) == replace(tried, at=0)


def test_rules_that_can_t_be_set_are_not_simulated(vault: TestVault) -> None:
    for request, error in (
        (api.SimulateRetention(rules=(rule("a", period="soon"),)), UsageError),
        (api.SimulateRetention(rules=(rule("a"), rule("A"))), UsageError),
        (api.SimulateRetention(rules=(rule("a", mail=api.MailCriteria(people=("nobody",))),)), NotFound),
        (api.SimulateRetention(ended=("a",)), NotFound),
    ):
        with pytest.raises(error):
            list(vault.client.stream(request))


def test_nothing_is_looked_at_without_a_rule_that_disposes(vault: TestVault) -> None:
    set_rules(vault, rule("all"))
    answer = simulated(vault, "2090")
    assert (answer.examined, answer.goes.messages) == (0, 0)


@pytest.mark.parametrize(
    ("at", "part"), [("yesterday", "in the past"), ("1999", "in the past"), ("x", "not a date")]
)
def test_a_simulation_is_of_today_or_later(vault: TestVault, at: str, part: str) -> None:
    with pytest.raises(UsageError, match=part):
        simulated(vault, at)


# --- the audit trail --------------------------------------------------------------------------------------


def test_changes_and_simulations_are_recorded(vault: TestVault) -> None:
    vault.client.close()
    with (vault.folder / "vault.toml").open("a") as file:
        file.write('[access]\nauditors = ["audrey"]\n')
    with ClientSession(vault.folder).writing() as opened:
        admin = ClientSession(vault.folder, opened)
        auditor = ClientSession(vault.folder, opened, Caller(61_003, 61_000, 1, "audrey"))
        answers(admin, api.SetRules(rules=(rule("all"),)))
        answers(admin, api.SetRules(rules=(rule("all"),), check=True))
        answers(admin, api.EndRule(name="all"))
        answers(auditor, api.SimulateRetention(at="2090", reason="yearly check"))
        (audit,) = answers(admin, api.GetAudit())
    assert isinstance(audit, api.Audit)
    events = [(one.event, one.who, one.word, one.everybody) for one in audit.events]
    assert events[:3] == [
        ("read", "audrey", "SimulateRetention", True),
        ("changed", admin.caller.name, "EndRule", False),
        ("changed", admin.caller.name, "SetRules", False),
    ]
    assert audit.events[0].detail["reason"] == "yearly check"
    assert audit.events[2].detail["rules"] == ["all (version 1)"]
    assert len([one for one in audit.events if one.word == "SetRules"]) == 1
