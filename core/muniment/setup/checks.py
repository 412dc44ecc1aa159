"""The check of each step, against DNS, mail servers, the vault and systemd where possible.

Each public function that takes a situation and probes is a `setup.model.Check`.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterator, Sequence

from muniment.setup.dns import is_exchange_online
from muniment.setup.model import Arrival, Finding, Probes, Situation, Verdict

SHOWN = 3
"""How many addresses of a report a sentence names."""
GRACE = 600
"""Seconds by which a scheduled run may be late before the check says that none has come."""


def organisation(situation: Situation, probes: Probes) -> Iterator[Finding]:
    """Check where mail for each own domain goes, and whether that fits the platform."""
    settings = situation.settings
    online = settings.journaling.platform == "microsoft-365"
    if not settings.domains:
        yield Finding("Enter the organisation's own mail domains.", Verdict.MISSING)
    for domain in settings.domains:
        host = probes.exchangers(domain)[0]
        if is_exchange_online(host) == online:
            yield Finding(f"Mail for {domain} goes to {host}.")
        elif online:
            yield Finding(
                f"Mail for {domain} goes to {host}, not directly to Exchange Online: this is right if a mail "
                "filter comes first; if not, choose another mail system.",
                Verdict.NOTE,
            )
        else:
            yield Finding(
                f"Mail for {domain} goes to Exchange Online ({host}): choose microsoft-365, unless Exchange "
                "Online forwards it to Exchange Server.",
                Verdict.NOTE,
            )


def report_address(situation: Situation, probes: Probes) -> Iterator[Finding]:
    """Check that mail for the report address arrives, and not at Exchange Online."""
    settings = situation.settings
    address = settings.journaling.address
    domain = address.rpartition("@")[2]
    yield from _in_ascii(address)
    hosts = probes.exchangers(domain)
    online = next(filter(is_exchange_online, hosts), "")
    if online:
        yield _in_exchange_online(address, online, "journal target")
        return
    yield Finding(f"Mail for {domain} goes to {', '.join(hosts)}.")
    if domain.lower() in settings.domains:
        yield Finding(
            f"{domain} is one of the own domains: create a mail contact for {address} in Exchange, or "
            "Exchange does not find it.",
            Verdict.NOTE,
        )
    ips = probes.addresses(hosts[0])
    if not ips:
        yield Finding(
            f"The MX record of {domain} names {hosts[0]}, which has no address in DNS: correct the record.",
            Verdict.WRONG,
        )
        return
    yield from _public(situation, hosts[0], ips)
    if settings.journaling.reports == "embedded":
        yield from _embedded(situation, probes, address, hosts[0])
    elif address.isascii():
        yield from probes.delivers(hosts[0], ips[0], address)


def _in_ascii(address: str) -> Iterator[Finding]:
    if not address.isascii():
        yield Finding(
            f"{address} has letters beyond ASCII, which many mail servers refuse (RFC 6531): choose an "
            "ASCII address.",
            Verdict.WRONG,
        )


def _public(situation: Situation, host: str, ips: Sequence[str]) -> Iterator[Finding]:
    """Check that Exchange Online can reach one of the addresses."""
    online = situation.settings.journaling.platform == "microsoft-365"
    if online and not any(ipaddress.ip_address(ip).is_global for ip in ips):
        yield Finding(
            f"{host} is {', '.join(ips)}, which can't be reached from the Internet: make sure that public "
            "DNS has another address (enter a public DNS server to look it up there).",
            Verdict.NOTE,
        )


def _in_exchange_online(address: str, host: str, role: str) -> Finding:
    return Finding(
        f"{address} is a mailbox in Exchange Online (its MX is {host}): Microsoft does not allow that as "
        f"{role}. Choose an address whose mail goes elsewhere.",
        Verdict.WRONG,
    )


def _embedded(situation: Situation, probes: Probes, address: str, host: str) -> Iterator[Finding]:
    gateway = situation.settings.gateway
    if not gateway.listen:
        yield Finding("Enter the address on which the gateway listens, such as 0.0.0.0:25.", Verdict.MISSING)
        return
    if address.casefold() not in (known.casefold() for known in gateway.addresses):
        yield Finding(
            f"The gateway does not accept mail for {address}: enter the address here again, or add it to "
            "gateway.addresses in vault.toml.",
            Verdict.WRONG,
        )
        return
    yield from probes.gateway(address, host)
    if all(ipaddress.ip_network(network).is_loopback for network in gateway.networks):
        yield Finding(
            "Only this machine may deliver to the gateway: add the mail system's networks, unless a mail "
            "server on this machine passes the reports on.",
            Verdict.NOTE,
        )
    elif not gateway.client_names:
        yield Finding(
            "Anybody in these networks can deliver a forged report: set gateway.client_names, so that "
            "senders must show a certificate, or keep the report address secret.",
            Verdict.NOTE,
        )


def undeliverable(situation: Situation, probes: Probes) -> Iterator[Finding]:
    """Check that the mailbox for undeliverable reports is allowed as one."""
    settings = situation.settings
    address = settings.journaling.undeliverable
    domain = address.rpartition("@")[2]
    yield from _in_ascii(address)
    if address.casefold() == settings.journaling.address.casefold():
        yield Finding(
            "Undeliverable reports must not go to the report address itself: choose another mailbox.",
            Verdict.WRONG,
        )
        return
    hosts = probes.exchangers(domain)
    online = next(filter(is_exchange_online, hosts), "")
    if online and settings.journaling.platform == "microsoft-365":
        yield _in_exchange_online(address, online, "mailbox for undeliverable reports")
        return
    yield Finding(f"Mail for {domain} goes to {', '.join(hosts)}.")
    if domain.lower() in settings.domains and not settings.journaling.recipient:
        yield Finding(
            f"{address} is in one of the own domains, which the rule covers: a mailbox elsewhere is better.",
            Verdict.NOTE,
        )


def journal_rule(situation: Situation, probes: Probes) -> Iterator[Finding]:
    """Check the settings of the rule, and whether a report has proven it. The rule itself can't be seen."""
    journaling = situation.settings.journaling
    if "*" in journaling.recipient:
        yield Finding(
            "A rule has no wildcards: enter one address or group, or nothing for everyone.", Verdict.WRONG
        )
    if journaling.scope != "Global":
        yield Finding(
            f"A rule for {journaling.scope.lower()} messages depends on MAIL FROM, which can be forged: "
            "Global archives all messages.",
            Verdict.NOTE,
        )
    if situation.arrival:
        when = situation.arrival.time
        yield Finding(f"The rule works: the first report came on {moment(when)}.", time=when)
    else:
        yield Finding("No report has proven the rule yet.", Verdict.MISSING)


def users(situation: Situation, probes: Probes) -> Iterator[Finding]:
    """Check that users were added."""
    if situation.users:
        people = "person was" if situation.users == 1 else "people were"
        yield Finding(f"{situation.users:,} {people} added with their addresses.")
    else:
        yield Finding("No users were added yet.", Verdict.MISSING)


def profile(situation: Situation, probes: Probes) -> Iterator[Finding]:
    """Check that the archive profile can use its mailbox."""
    found = situation.profile
    if found is None:
        yield _no_profile(situation)
        return
    yield from probes.mailbox(found)
    if found.source in ("gateway", "spool") and not found.delete_on:
        yield Finding(
            f"Profile {found.name} leaves mail at the gateway, so the mailbox fills up.", Verdict.NOTE
        )
    if not found.journal_on:
        yield Finding(
            f"Profile {found.name} does not unwrap journal reports: set journal = true.", Verdict.WRONG
        )


def _no_profile(situation: Situation) -> Finding:
    return Finding("No profile fetches the reports yet.", Verdict.MISSING)


def first_run(situation: Situation, probes: Probes) -> Iterator[Finding]:
    """Check the result of the archive profile's last run."""
    found, last = situation.profile, situation.last_run
    if found is None:
        yield _no_profile(situation)
    elif last is None:
        yield Finding(f"Profile {found.name} has not run yet.", Verdict.MISSING)
    elif last.state == "ok":
        yield Finding(f"The last run succeeded: {last.fetched:,} messages fetched.", time=last.time)
    else:
        reason = last.error or f"it ended as {last.state}"
        yield Finding(f"The last run did not succeed: {reason}", Verdict.WRONG)


def service(situation: Situation, probes: Probes) -> Iterator[Finding]:
    """Check that the service runs, and that the system starts it."""
    if situation.served:
        yield Finding(f"The service runs ({situation.served}).")
    else:
        yield Finding("No service runs for this vault.", Verdict.MISSING)
    yield from probes.units()


def schedule(situation: Situation, probes: Probes) -> Iterator[Finding]:
    """Check that the service runs the archive profile on schedule."""
    found, last = situation.profile, situation.last_run
    if found is None:
        yield _no_profile(situation)
    elif not found.enabled:
        yield Finding(f"Profile {found.name} is disabled: enable it.", Verdict.MISSING)
    elif found.untested:
        yield Finding(f"Profile {found.name} is not tested yet, so it runs only by hand.", Verdict.MISSING)
    elif not situation.served:
        yield Finding("The service does not run, so no profile runs on schedule.", Verdict.MISSING)
    elif last is None or last.time < situation.now - 2 * found.every - GRACE:
        yield Finding(f"No scheduled run yet; one is due every {found.every} s.", Verdict.MISSING)
    else:
        yield Finding(f"It runs every {found.every} s, last at {moment(last.time)}.", time=last.time)


def first_report(situation: Situation, probes: Probes) -> Iterator[Finding]:
    """Check that a journal report has arrived. The finding describes it, or says what is missing."""
    found, arrival = situation.profile, situation.arrival
    if arrival:
        yield Finding(described(arrival), time=arrival.time)
        if found and not found.tenant and arrival.tenant:
            yield Finding(f"Pin the tenant: {arrival.tenant}", Verdict.NOTE)
    elif situation.strangers and found:
        yield Finding(
            f"Reports come from {', '.join(situation.strangers[:SHOWN])}, not from the pinned tenant "
            f"{found.tenant}: correct the tenant if that is yours; if not, somebody forges reports.",
            Verdict.WRONG,
        )
    else:
        yield Finding(_waiting(situation), Verdict.MISSING)


def described(arrival: Arrival) -> str:
    """A report in one sentence: when it came, its sender, its recipients, and the users it was filed with."""
    to = ", ".join(arrival.recipients[:SHOWN]) or "nobody"
    more = len(arrival.recipients) - SHOWN
    filed = ", ".join(arrival.users[:SHOWN]) or "nobody"
    return (
        f"The first report came on {moment(arrival.time)}: from {arrival.sender or 'nobody'} to {to}"
        f"{f' and {more} more' if more > 0 else ''}, filed with {filed}."
    )


def _waiting(situation: Situation) -> str:
    found, last = situation.profile, situation.last_run
    if situation.waiting and found:
        many = "1 message is" if situation.waiting == 1 else f"{situation.waiting:,} messages are"
        return f"{many} in the gateway's spool: run profile {found.name}."
    if found is None:
        return "Waiting for the first journal report; no profile fetches reports yet."
    if last is None:
        return f"Waiting for the first journal report; profile {found.name} has not run yet."
    return f"Waiting for the first journal report; profile {found.name} found none at {moment(last.time)}."


def moment(timestamp: int) -> str:
    """A time for a sentence, such as "2026-01-31 12:00 UTC"; `timestamp` is seconds since 1970 UTC."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(timestamp))
