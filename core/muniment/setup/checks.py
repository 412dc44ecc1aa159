"""The check of each step, against DNS, mail servers, the vault and systemd where possible.

Each public function that takes a situation and probes is a `setup.model.Check`.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterator, Sequence

from muniment.setup.dns import is_exchange_online
from muniment.setup.model import CheckFinding, FindingVerdict, ReportArrival, SetupProbes, SetupSituation

SHOWN = 3
"""How many addresses of a report a sentence names."""
GRACE = 600
"""Seconds by which a scheduled run may be late before the check says that none has come."""


def organisation(situation: SetupSituation, probes: SetupProbes) -> Iterator[CheckFinding]:
    """Check where mail for each own domain goes, and whether that fits the platform."""
    settings = situation.settings
    online = settings.journaling.platform == "microsoft-365"
    if not settings.domains:
        yield CheckFinding("Enter the organisation's own mail domains.", FindingVerdict.MISSING)
    for domain in settings.domains:
        host = probes.exchangers(domain)[0]
        if is_exchange_online(host) == online:
            yield CheckFinding(f"Mail for {domain} goes to {host}.")
        elif online:
            yield CheckFinding(
                f"Mail for {domain} goes to {host}, not directly to Exchange Online: this is right if a mail "
                "filter comes first; if not, choose another mail system.",
                FindingVerdict.NOTE,
            )
        else:
            yield CheckFinding(
                f"Mail for {domain} goes to Exchange Online ({host}): choose microsoft-365, unless Exchange "
                "Online forwards it to Exchange Server.",
                FindingVerdict.NOTE,
            )


def report_address(situation: SetupSituation, probes: SetupProbes) -> Iterator[CheckFinding]:
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
    yield CheckFinding(f"Mail for {domain} goes to {', '.join(hosts)}.")
    if domain.lower() in settings.domains:
        yield CheckFinding(
            f"{domain} is one of the own domains: create a mail contact for {address} in Exchange, or "
            "Exchange does not find it.",
            FindingVerdict.NOTE,
        )
    ips = probes.addresses(hosts[0])
    if not ips:
        yield CheckFinding(
            f"The MX record of {domain} names {hosts[0]}, which has no address in DNS: correct the record.",
            FindingVerdict.WRONG,
        )
        return
    yield from _public(situation, hosts[0], ips)
    if settings.journaling.reports == "embedded":
        yield from _embedded(situation, probes, address, hosts[0])
    elif address.isascii():
        yield from probes.delivers(hosts[0], ips[0], address)


def _in_ascii(address: str) -> Iterator[CheckFinding]:
    if not address.isascii():
        yield CheckFinding(
            f"{address} has letters beyond ASCII, which many mail servers refuse (RFC 6531): choose an "
            "ASCII address.",
            FindingVerdict.WRONG,
        )


def _public(situation: SetupSituation, host: str, ips: Sequence[str]) -> Iterator[CheckFinding]:
    """Check that Exchange Online can reach one of the addresses."""
    online = situation.settings.journaling.platform == "microsoft-365"
    if online and not any(ipaddress.ip_address(ip).is_global for ip in ips):
        yield CheckFinding(
            f"{host} is {', '.join(ips)}, which can't be reached from the Internet: make sure that public "
            "DNS has another address (enter a public DNS server to look it up there).",
            FindingVerdict.NOTE,
        )


def _in_exchange_online(address: str, host: str, role: str) -> CheckFinding:
    return CheckFinding(
        f"{address} is a mailbox in Exchange Online (its MX is {host}): Microsoft does not allow that as "
        f"{role}. Choose an address whose mail goes elsewhere.",
        FindingVerdict.WRONG,
    )


def _embedded(
    situation: SetupSituation, probes: SetupProbes, address: str, host: str
) -> Iterator[CheckFinding]:
    gateway = situation.settings.gateway
    if not gateway.listen:
        yield CheckFinding(
            "Enter the address on which the gateway listens, such as 0.0.0.0:25.", FindingVerdict.MISSING
        )
        return
    if address.casefold() not in (known.casefold() for known in gateway.addresses):
        yield CheckFinding(
            f"The gateway does not accept mail for {address}: enter the address here again, or add it to "
            "gateway.addresses in vault.toml.",
            FindingVerdict.WRONG,
        )
        return
    yield from probes.gateway(address, host)
    if all(ipaddress.ip_network(network).is_loopback for network in gateway.networks):
        yield CheckFinding(
            "Only this machine may deliver to the gateway: add the mail system's networks, unless a mail "
            "server on this machine passes the reports on.",
            FindingVerdict.NOTE,
        )
    elif not gateway.client_names:
        yield CheckFinding(
            "Anybody in these networks can deliver a forged report: set gateway.client_names, so that "
            "senders must show a certificate, or keep the report address secret.",
            FindingVerdict.NOTE,
        )


def undeliverable(situation: SetupSituation, probes: SetupProbes) -> Iterator[CheckFinding]:
    """Check that the mailbox for undeliverable reports is allowed as one."""
    settings = situation.settings
    address = settings.journaling.undeliverable
    domain = address.rpartition("@")[2]
    yield from _in_ascii(address)
    if address.casefold() == settings.journaling.address.casefold():
        yield CheckFinding(
            "Undeliverable reports must not go to the report address itself: choose another mailbox.",
            FindingVerdict.WRONG,
        )
        return
    hosts = probes.exchangers(domain)
    online = next(filter(is_exchange_online, hosts), "")
    if online and settings.journaling.platform == "microsoft-365":
        yield _in_exchange_online(address, online, "mailbox for undeliverable reports")
        return
    yield CheckFinding(f"Mail for {domain} goes to {', '.join(hosts)}.")
    if domain.lower() in settings.domains and not settings.journaling.recipient:
        yield CheckFinding(
            f"{address} is in one of the own domains, which the rule covers: a mailbox elsewhere is better.",
            FindingVerdict.NOTE,
        )


def journal_rule(situation: SetupSituation, probes: SetupProbes) -> Iterator[CheckFinding]:
    """Check the settings of the rule, and whether a report has proven it. The rule itself can't be seen."""
    journaling = situation.settings.journaling
    if "*" in journaling.recipient:
        yield CheckFinding(
            "A rule has no wildcards: enter one address or group, or nothing for everyone.",
            FindingVerdict.WRONG,
        )
    if journaling.scope != "Global":
        yield CheckFinding(
            f"A rule for {journaling.scope.lower()} messages depends on MAIL FROM, which can be forged: "
            "Global archives all messages.",
            FindingVerdict.NOTE,
        )
    if situation.arrival:
        when = situation.arrival.time
        yield CheckFinding(f"The rule works: the first report came on {moment(when)}.", time=when)
    else:
        yield CheckFinding("No report has proven the rule yet.", FindingVerdict.MISSING)


def users(situation: SetupSituation, probes: SetupProbes) -> Iterator[CheckFinding]:
    """Check that users were added."""
    if situation.users:
        people = "person was" if situation.users == 1 else "people were"
        yield CheckFinding(f"{situation.users:,} {people} added with their addresses.")
    else:
        yield CheckFinding("No users were added yet.", FindingVerdict.MISSING)


def profile(situation: SetupSituation, probes: SetupProbes) -> Iterator[CheckFinding]:
    """Check that the archive profile can use its mailbox."""
    found = situation.profile
    if found is None:
        yield _no_profile(situation)
        return
    yield from probes.mailbox(found)
    if found.source in ("gateway", "spool") and not found.delete_on:
        yield CheckFinding(
            f"Profile {found.name} leaves mail at the gateway, so the mailbox fills up.", FindingVerdict.NOTE
        )
    if not found.journal_on:
        yield CheckFinding(
            f"Profile {found.name} does not unwrap journal reports: its content must be journal reports.",
            FindingVerdict.WRONG,
        )


def _no_profile(situation: SetupSituation) -> CheckFinding:
    return CheckFinding("No profile fetches the reports yet.", FindingVerdict.MISSING)


def first_run(situation: SetupSituation, probes: SetupProbes) -> Iterator[CheckFinding]:
    """Check the result of the archive profile's last run."""
    found, last = situation.profile, situation.last_run
    if found is None:
        yield _no_profile(situation)
    elif last is None:
        yield CheckFinding(f"Profile {found.name} has not run yet.", FindingVerdict.MISSING)
    elif last.state == "ok":
        yield CheckFinding(f"The last run succeeded: {last.fetched:,} messages fetched.", time=last.time)
    else:
        reason = last.error or f"it ended as {last.state}"
        yield CheckFinding(f"The last run did not succeed: {reason}", FindingVerdict.WRONG)


def service(situation: SetupSituation, probes: SetupProbes) -> Iterator[CheckFinding]:
    """Check that the service runs, and that the system starts it."""
    if situation.served:
        yield CheckFinding(f"The service runs ({situation.served}).")
    else:
        yield CheckFinding("No service runs for this vault.", FindingVerdict.MISSING)
    yield from probes.units()


def schedule(situation: SetupSituation, probes: SetupProbes) -> Iterator[CheckFinding]:
    """Check that the service runs the archive profile on schedule."""
    found, last = situation.profile, situation.last_run
    if found is None:
        yield _no_profile(situation)
    elif not found.enabled:
        yield CheckFinding(f"Profile {found.name} is disabled: enable it.", FindingVerdict.MISSING)
    elif found.untested:
        yield CheckFinding(
            f"Profile {found.name} is not tested yet, so it runs only by hand.", FindingVerdict.MISSING
        )
    elif not situation.served:
        yield CheckFinding(
            "The service does not run, so no profile runs on schedule.", FindingVerdict.MISSING
        )
    elif last is None or last.time < situation.now - 2 * found.every - GRACE:
        yield CheckFinding(f"No scheduled run yet; one is due every {found.every} s.", FindingVerdict.MISSING)
    else:
        yield CheckFinding(f"It runs every {found.every} s, last at {moment(last.time)}.", time=last.time)


def first_report(situation: SetupSituation, probes: SetupProbes) -> Iterator[CheckFinding]:
    """Check that a journal report has arrived. The finding describes it, or says what is missing."""
    found, arrival = situation.profile, situation.arrival
    if arrival:
        yield CheckFinding(described(arrival), time=arrival.time)
        if found and not found.tenant and arrival.tenant:
            yield CheckFinding(f"Pin the tenant: {arrival.tenant}", FindingVerdict.NOTE)
    elif situation.strangers and found:
        yield CheckFinding(
            f"Reports come from {', '.join(situation.strangers[:SHOWN])}, not from the pinned tenant "
            f"{found.tenant}: correct the tenant if that is yours; if not, somebody forges reports.",
            FindingVerdict.WRONG,
        )
    else:
        yield CheckFinding(_waiting(situation), FindingVerdict.MISSING)


def described(arrival: ReportArrival) -> str:
    """A report in one sentence: when it came, its sender, its recipients, and the users it was filed with."""
    to = ", ".join(arrival.recipients[:SHOWN]) or "nobody"
    more = len(arrival.recipients) - SHOWN
    filed = ", ".join(arrival.users[:SHOWN]) or "nobody"
    return (
        f"The first report came on {moment(arrival.time)}: from {arrival.sender or 'nobody'} to {to}"
        f"{f' and {more} more' if more > 0 else ''}, filed with {filed}."
    )


def _waiting(situation: SetupSituation) -> str:
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
