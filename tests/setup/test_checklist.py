"""The checklist of a real vault, from an empty vault to the first report, through the engine's requests."""

from __future__ import annotations

import json
import smtplib
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from muniment import api
from muniment.archive.vault.open_vault import open_vault
from muniment.errors import ConfigError, NotFound
from muniment.gateway.smtp import GatewaySettings, SmtpGateway
from muniment.people.changes import add_user
from muniment.service.operations import checklist as operations
from muniment.setup.steps import STEPS
from support import reports
from support.dns_server import DnsServer
from support.dovecot import Dovecot, free_ports
from support.vaults import TestVault

ADDRESS = "journal@archive.example"
TENANT = reports.TENANT.lower()


class Checklist:
    """A vault's checklist, through requests."""

    def __init__(self, folder: Path, dns: DnsServer) -> None:
        self.vault = TestVault(folder, domains=())
        self.put(resolver=dns.address)

    def get(self) -> api.Setup:
        return self.vault.client.call(api.GetSetup(), api.Setup)

    def step(self, key: str) -> api.SetupStep:
        return next(step for step in self.get().steps if step.key == key)

    def states(self) -> dict[str, str]:
        return {step.key: step.state for step in self.get().steps}

    def put(self, **values: str) -> api.Setup:
        renamed = {name.replace("_", "-"): value for name, value in values.items()}
        return self.vault.client.call(api.PutSetup(values=renamed), api.Setup)

    def affirm(self, key: str, done: bool = True) -> api.SetupStep:
        self.vault.client.call(api.AffirmSetup(step=key, done=done), api.Setup)
        return self.step(key)

    def check(self, key: str) -> api.SetupStep:
        words = list(self.vault.client.stream(api.CheckSetup(step=key)))
        assert isinstance(words[-1], api.Setup)
        return self.step(key)


@pytest.fixture
def checklist(tmp_path: Path, dns: DnsServer) -> Checklist:
    return Checklist(tmp_path / "vault", dns)


@pytest.fixture
def gateway(checklist: Checklist) -> Iterator[SmtpGateway]:
    """The vault's embedded gateway, which listens where its settings say."""
    (port,) = free_ports(1)
    checklist.put(reports="embedded", address=ADDRESS, listen=f"127.0.0.1:{port}")
    settings = GatewaySettings(
        spool=checklist.vault.folder / "spool", addresses=(ADDRESS,), port=port, hostname="localhost"
    )
    with SmtpGateway(settings) as server:
        yield server


def test_a_new_vault_has_everything_to_do(checklist: Checklist) -> None:
    setup = checklist.get()
    assert [step.key for step in setup.steps] == [step.key for step in STEPS]
    assert {step.state for step in setup.steps} == {"to do"}
    assert not any(step.proven or step.affirmed for step in setup.steps)
    assert all(step.guide and step.detail for step in setup.steps)


def test_values_are_written_to_vault_toml_and_comments_survive(checklist: Checklist) -> None:
    path = checklist.vault.folder / "vault.toml"
    path.write_text(path.read_text() + "\n# mind the gap\n")
    setup = checklist.put(domains="Example.com, example.org", name="Harbour Works", address=ADDRESS)
    text = path.read_text()
    assert "# mind the gap" in text
    assert f'address = "{ADDRESS}"' in text
    fields = {field.name: field.value for step in setup.steps for field in step.fields}
    assert fields["domains"] == "example.com, example.org"
    assert (fields["name"], fields["address"]) == ("Harbour Works", ADDRESS)
    assert {f.name: f.value for s in checklist.put(name="").steps for f in s.fields}["name"] == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("address", "not an address"),
        ("address", "a\x1b[2J@archive.example"),
        ("platform", "lotus-notes"),
        ("rule", "x" * 65),
        ("rule", "two\nlines"),
        ("expiration-days", "8"),
        ("expiration-days", "many"),
        ("quiet-days", "0"),
        ("resolver", "dns.example"),
        ("listen", "everywhere"),
        ("colour", "red"),
    ],
)
def test_a_wrong_value_is_refused_and_changes_nothing(checklist: Checklist, name: str, value: str) -> None:
    path = checklist.vault.folder / "vault.toml"
    before = path.read_text()
    with pytest.raises(ConfigError) as caught:
        checklist.vault.client.call(api.PutSetup(values={name: value}), api.Setup)
    assert "\n" not in str(caught.value)
    assert path.read_text() == before


def test_no_such_step(checklist: Checklist) -> None:
    with pytest.raises(NotFound, match="organisation"):
        checklist.check("coffee")


def test_domains_are_looked_up(checklist: Checklist) -> None:
    assert checklist.check("organisation").state == "to do"
    checklist.put(domains="example.com")
    step = checklist.check("organisation")
    assert (step.state, step.detail) == (
        "done",
        "Mail for example.com goes to example-com.mail.protection.outlook.com.",
    )
    checklist.put(platform="exchange-server")
    assert checklist.step("organisation").detail == "Changed since it was last checked."
    assert "choose microsoft-365" in checklist.check("organisation").detail
    checklist.put(domains="nowhere.example")
    step = checklist.check("organisation")
    assert step.state == "failed"
    assert "does not exist" in step.detail


@pytest.mark.parametrize("domain", ["example.com", "dane.example"])
def test_a_target_in_exchange_online_is_refused(checklist: Checklist, domain: str) -> None:
    checklist.put(address=f"journal@{domain}")
    step = checklist.check("report-address")
    assert step.state == "failed"
    assert "Microsoft does not allow that as journal target" in step.detail
    checklist.put(undeliverable=f"ndr@{domain}")
    assert "Microsoft does not allow that" in checklist.check("undeliverable").detail


def test_an_address_at_another_mail_server(
    checklist: Checklist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (port,) = free_ports(1)
    monkeypatch.setattr(operations, "OutsideProbes", partial(operations.OutsideProbes, port=port))
    checklist.put(address="journal@other.example")
    step = checklist.check("report-address")
    assert step.state == "done", step
    assert "Mail for other.example goes to mail.other.example." in step.detail
    assert "could not be tested from here" in step.detail
    assert "can't be reached from the Internet" in step.detail
    theirs = GatewaySettings(spool=tmp_path / "theirs", addresses=("journal@other.example",), port=port)
    with SmtpGateway(theirs):
        assert "accepts mail for journal@other.example." in checklist.check("report-address").detail
        checklist.put(address="typo@other.example")
        assert "has no mailbox typo@other.example" in checklist.check("report-address").detail


def test_an_exchanger_without_an_address_and_an_address_beyond_ascii(checklist: Checklist) -> None:
    checklist.put(address="journal@dangling.example")
    step = checklist.check("report-address")
    assert step.state == "failed"
    assert "names gone.example, which has no address" in step.detail
    checklist.put(address="jörnal@other.example", undeliverable="ündeliverable@other.example")
    for key in ("report-address", "undeliverable"):
        assert "beyond ASCII" in checklist.check(key).detail


def test_the_embedded_gateway_answers(checklist: Checklist, gateway: SmtpGateway) -> None:
    step = checklist.check("report-address")
    assert step.state == "done", step
    assert f"accepts mail for {ADDRESS}" in step.detail
    assert "offers no STARTTLS" in step.detail
    assert "Only this machine may deliver" in step.detail
    assert step.proven == pytest.approx(time.time(), abs=60)


def test_a_gateway_that_does_not_listen(checklist: Checklist) -> None:
    (port,) = free_ports(1)
    checklist.put(reports="embedded", address=ADDRESS, listen=f"127.0.0.1:{port}")
    step = checklist.check("report-address")
    assert step.state == "failed"
    assert "start the service" in step.detail


def test_a_new_report_address_replaces_the_old_one_at_the_gateway(
    checklist: Checklist, gateway: SmtpGateway
) -> None:
    checklist.put(address="reports@archive.example")
    text = (checklist.vault.folder / "vault.toml").read_text()
    assert 'addresses = ["reports@archive.example"]' in text
    step = checklist.check("report-address")  # the running gateway still accepts only the old one
    assert step.state == "failed"
    assert "has no mailbox reports@archive.example" in step.detail


def test_the_mailbox_for_undeliverable_reports(checklist: Checklist) -> None:
    checklist.put(address=ADDRESS, undeliverable=ADDRESS)
    assert "must not go to the report address itself" in checklist.check("undeliverable").detail
    checklist.put(undeliverable="ndr@other.example")
    step = checklist.check("undeliverable")
    assert step.state == "to do"
    assert "Set it in the mail system, then confirm it." in step.detail
    step = checklist.affirm("undeliverable")
    assert step.state == "done"
    assert step.affirmed_by
    assert step.affirmed == pytest.approx(time.time(), abs=60)
    trail = checklist.vault.client.call(api.GetAudit(), api.Audit).events
    assert [(one.event, one.detail["step"]) for one in trail] == [("affirmed", "undeliverable")]
    checklist.put(undeliverable="ndr2@other.example")
    step = checklist.step("undeliverable")
    assert (step.state, step.affirmed) == ("to do", 0)


def test_a_confirmation_counts_only_where_no_check_is_possible(checklist: Checklist) -> None:
    with pytest.raises(ConfigError, match="can't be confirmed"):
        checklist.affirm("first-report")
    with pytest.raises(ConfigError, match="Enter the address"):
        checklist.affirm("journal-rule")
    checklist.put(address=ADDRESS, recipient="*@example.com")
    with pytest.raises(ConfigError, match="no wildcards"):
        checklist.affirm("journal-rule")
    checklist.put(recipient="")
    assert checklist.affirm("journal-rule").state == "done"
    assert "No report has proven the rule yet." in checklist.step("journal-rule").detail
    assert checklist.affirm("journal-rule", done=False).state == "to do"


def test_the_profile_of_a_gateway_mailbox(checklist: Checklist, dovecot: Dovecot, tmp_path: Path) -> None:
    box = dovecot.mailbox(password="x" * 30)
    secret = tmp_path / "secret"
    secret.write_text(box.password)
    secret.chmod(0o600)
    assert "No profile fetches" in checklist.check("profile").detail
    checklist.put(
        address="journal@other.example",
        host="localhost",
        port=str(dovecot.pop3),
        mailbox=f"{box.name}@gateway.example",
        password_file=str(secret),
    )
    step = checklist.check("profile")
    assert step.state == "failed"
    assert "authority that is not trusted" in step.detail
    checklist.vault.client.call(
        api.PutProfile(name="gateway", fields={"ca_file": str(dovecot.certificates.authority)}), api.Done
    )
    step = checklist.check("profile")
    assert step.state == "done", step
    shown = checklist.vault.client.call(api.ShowProfile(name="gateway"), api.ProfileWord)
    assert shown.fields["mailbox"] == box.name
    secret.write_text("wrong")
    assert checklist.check("profile").state == "failed"
    assert checklist.step("profile").proven == step.proven


def test_a_mailbox_of_reports_gets_a_journal_profile(checklist: Checklist, tmp_path: Path) -> None:
    checklist.put(reports="mailbox")
    checklist.put(source="imap", host="mail.example", mailbox="reports", password_file=str(tmp_path / "s"))
    shown = checklist.vault.client.call(api.ShowProfile(name="journal"), api.ProfileWord)
    assert (shown.source, shown.fields["journal"]) == ("imap", True)


def report(sender: str = "ada@example.com", date: int = reports.EPOCH, **how: Any) -> bytes:
    original = reports.plain(sender=sender, to=["bob@example.com"], date=date, **how)
    return reports.report(original, sender=sender, recipients=["bob@example.com"], date=date)


def deliver(gateway: SmtpGateway, *messages: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", gateway.port, local_hostname="mx.example") as smtp:
        for message in messages:
            smtp.sendmail("", [ADDRESS], message)


def test_the_first_report_proves_the_steps(checklist: Checklist, gateway: SmtpGateway) -> None:
    checklist.put(domains="example.com", profile="spool")
    assert "has not run yet" in checklist.step("first-report").detail
    assert checklist.step("first-run").state == "to do"
    checklist.vault.run("spool")
    assert checklist.step("first-run").state == "done"
    assert "profile spool found none at" in checklist.step("first-report").detail
    deliver(gateway, report())
    assert "1 message is in the gateway's spool" in checklist.step("first-report").detail
    checklist.vault.run("spool")
    step = checklist.step("first-report")
    assert step.state == "done"
    assert "from ada@example.com to bob@example.com" in step.detail
    assert "filed with ada@example.com, bob@example.com" in step.detail
    assert f"Pin the tenant: {TENANT}" in step.detail
    assert step.proven > 0
    rule = checklist.step("journal-rule")
    assert (rule.state, rule.proven) == ("done", step.proven)
    checklist.put(tenant=TENANT)
    assert "Pin the tenant" not in checklist.step("first-report").detail


def test_reports_of_another_tenant_prove_nothing(checklist: Checklist, gateway: SmtpGateway) -> None:
    checklist.put(domains="example.com", profile="spool", tenant="agent@other.example")
    deliver(gateway, report())
    checklist.vault.run("spool")
    step = checklist.step("first-report")
    assert step.state == "failed"
    assert TENANT in step.detail
    assert "correct the tenant" in step.detail


def test_imported_reports_prove_nothing(checklist: Checklist) -> None:
    checklist.put(domains="example.com", profile="gateway", host="h", mailbox="m", password_file="/x")
    checklist.vault.archive([report()])
    assert checklist.step("first-report").state == "to do"


def test_users(checklist: Checklist) -> None:
    assert checklist.affirm("users").state == "done"
    checklist.affirm("users", done=False)
    csv = "name,address\nAda,ada@example.com\n"
    checklist.vault.client.call(api.ImportUsers(text=csv), api.Done)
    assert checklist.step("users").detail == "1 person was added with their addresses."


def test_health(checklist: Checklist, gateway: SmtpGateway) -> None:
    checklist.put(domains="example.com", profile="spool")
    now = int(time.time())
    people = ("ada", "eve", "old")
    writer = open_vault(checklist.vault.folder, write=True)
    writer.change_directory(
        lambda directory: [add_user(one, one.title(), f"{one}@example.com") for one in people],
        now - 20 * 86400,
    )
    writer.close()
    deliver(
        gateway,
        report(date=now),
        report(sender="old@example.com", date=now - 40 * 86400),
    )
    checklist.vault.run("spool")
    assert checklist.step("first-report").state == "done"
    (silent,) = checklist.get().health
    assert "eve@example.com" in silent
    assert "old@example.com" in silent
    assert "ada@example.com" not in silent
    checklist.put(quiet_days="60")
    assert checklist.get().health == ()  # reports come since 40 days
    begun, _, _ = report(subject="Gone", date=now).partition(b"Content-Type: message/rfc822")
    closing = b"--" + begun.rstrip(b"\r\n").rpartition(b"--")[2] + b"--\r\n"
    deliver(gateway, begun + b"Content-Type: text/plain\r\n\r\nA virus was removed.\r\n" + closing)
    checklist.vault.run("spool")
    assert "1 journal report of the last 30 days had no original" in " ".join(checklist.get().health)
    checklist.put(tenant="agent@other.example")
    deliver(gateway, report(subject="of a stranger", date=now), reports.ndr(report(subject="Back", date=now)))
    checklist.vault.run("spool")
    health = " ".join(checklist.get().health)
    assert "1 journal report came back as undeliverable" in health
    assert "2 reports in the last 30 days failed the tenant pin" in health


def test_state_survives_a_restart_and_a_broken_file_counts_as_empty(
    checklist: Checklist, tmp_path: Path, dns: DnsServer
) -> None:
    checklist.put(domains="example.com", address=ADDRESS)
    checklist.check("organisation")
    checklist.affirm("journal-rule")
    kept = checklist.vault.folder / "setup.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    before = checklist.states()
    assert {before["organisation"], before["journal-rule"]} == {"done"}
    again = TestVault(checklist.vault.folder).client.call(api.GetSetup(), api.Setup)
    assert {step.key: step.state for step in again.steps} == before
    for broken in ("{", "[]", '{"version": 1, "steps": {"users": 3}}', '{"version": 2}'):
        kept.write_text(broken)
        assert checklist.states()["organisation"] == "to do"
    checklist.check("organisation")
    assert json.loads(kept.read_text())["version"] == 1


def test_other_clients_see_a_check_in_progress(checklist: Checklist) -> None:
    checklist.put(domains="example.com")
    words = checklist.vault.client.stream(api.CheckSetup(step="organisation"))
    first = next(words)
    assert isinstance(first, api.SetupStep)
    assert first.state == "checking"
    assert checklist.step("organisation").state == "checking"
    words.close()  # type: ignore[attr-defined]
    assert checklist.step("organisation").state == "to do"


def test_all_steps_are_checked_one_after_another(checklist: Checklist) -> None:
    words = list(checklist.vault.client.stream(api.CheckSetup()))
    begun = [w.key for w in words if isinstance(w, api.SetupStep) and w.state == "checking"]
    assert begun == [step.key for step in STEPS]
    assert not any(word.state == "checking" for word in words[-1].steps)  # type: ignore[attr-defined]
