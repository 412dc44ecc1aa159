"""What is wrong: from facts to findings, without any state but what has been told already."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime

from muniment.config.model import Notify
from muniment.notify.model import Facts, Finding, GatewayFacts, ProfileFacts, harmless

HOUR, DAY = 3600, 86400
MARGIN = 1.1
"""What was short must be so much better before it is well again, so that nobody is told at every change."""


def findings(facts: Facts, limits: Notify, told: Collection[str] = ()) -> Iterator[Finding]:
    """Every trouble that there may be, found or not. `told` are the keys of those that were told."""
    for profile in facts.profiles:
        if profile.last is not None:
            yield _run(profile)
    yield from _silences(facts, limits)
    if limits.certificate_days:
        for name, expires in facts.certificates.items():
            yield _certificate(name, expires, facts.now, limits.certificate_days)
    if limits.disk_percent or limits.disk_bytes:
        yield _disk(facts, limits, "disk-short" in told)
    if limits.behind_minutes:
        yield _index(facts, limits.behind_minutes)
    if facts.gateway is not None:
        yield from _gateway(facts.gateway, "gateway-short" in told)
    if facts.altered is not None or "ledger-altered" in told:
        yield _altered(facts)


def _run(profile: ProfileFacts) -> Finding:
    last = profile.last or {}
    state, balanced = last.get("state"), bool(last.get("balanced", True))
    trouble = None if state == "cancelled" and balanced else state != "ok" or not balanced
    what = "failed" if balanced else "ended with books that do not balance"
    why = harmless(str(last.get("error") or "")) or "No reason is known."
    return Finding(
        kind="run-failed",
        subject=profile.name,
        trouble=trouble,
        title=f"The run of {profile.name} {what}",
        text=f"{why}\n\nNothing was deleted that is not kept. `muniment status` shows the books.",
        well=f"The run of {profile.name} went well again",
    )


def _silences(facts: Facts, limits: Notify) -> Iterator[Finding]:
    """Hours without a journal report: over all profiles where some are due, and for single ones."""
    due = [profile for profile in facts.profiles if profile.journal]
    if due and limits.silent_hours:
        yield _silence("", max(profile.report for profile in due) or facts.since, facts, limits.silent_hours)
    for profile in due:
        if hours := limits.silent.get(profile.name):
            yield _silence(profile.name, profile.report or facts.since, facts, hours)


def _silence(name: str, last: float, facts: Facts, hours: int) -> Finding:
    silent = facts.now - last >= hours * HOUR
    where = f" at {name}" if name else ""
    return Finding(
        kind="no-reports",
        subject=name,
        trouble=silent if facts.settled or not silent else None,
        title=f"No journal report{where} for {_plural(int((facts.now - last) // HOUR), 'hour')}",
        text=f"The last one was archived at {_time(last)}, or none was since then. Mail that is sent now may "
        "not be archived: look whether the journal rule is on, where its reports go, and whether the "
        "undeliverable-report mailbox fills up.",
        well=f"Journal reports come{where} again",
    )


def _certificate(name: str, expires: float | None, now: float, days: int) -> Finding:
    left = 0.0 if expires is None else (expires - now) / DAY
    when = "has expired" if left <= 0 else f"expires in {_plural(int(left), 'day')}"
    return Finding(
        kind="certificate-expires",
        subject=name,
        trouble=None if expires is None else left < days,
        title=f"The certificate of {name} {when}",
        text=f"It is valid until {_time(expires or 0)}. After that no mail is taken or fetched there: "
        "have it renewed.",
        well=f"The certificate of {name} is renewed",
    )


def _disk(facts: Facts, limits: Notify, told: bool) -> Finding:
    if facts.disk is None:
        return Finding(kind="disk-short")
    total, free = facts.disk
    least = max(total * limits.disk_percent / 100, limits.disk_bytes) * (MARGIN if told else 1)
    return Finding(
        kind="disk-short",
        trouble=free < min(least, total),
        title=f"The vault's disk runs short: {_size(free)} of {_size(total)} free",
        text="When it is full, runs fail and mail stays where it is: free some space, or move the vault.",
        well=f"The vault's disk has room again: {_size(free)} of {_size(total)} free",
    )


def _index(facts: Facts, minutes: int) -> Finding:
    since = facts.behind_since
    late = since is not None and facts.now - since >= minutes * 60
    return Finding(
        kind="index-behind",
        trouble=late,
        title=f"Search lacks {_plural(facts.behind, 'message')}",
        text=f"It has taken in none since {_time(since or 0)}; they are kept, and can be listed and shown. "
        "`muniment rebuild --index` builds the index anew.",
        well="Search has taken in what it lacked",
    )


def _gateway(gateway: GatewayFacts, told: bool) -> Iterator[Finding]:
    """No room for mail, and clients that keep coming back. Those are few: the facts have no more."""
    if gateway.free is not None:
        least = gateway.least * (MARGIN if told else 1)
        yield Finding(
            kind="gateway-short",
            trouble=gateway.free < least,
            title=f"The gateway puts mail off: {_size(gateway.free)} free on its disk",
            text=f"It keeps {_size(gateway.reserve)} free, so that the run that empties its spool can work "
            "(gateway.reserve in vault.toml). Senders try again: free some space before they give up.",
            well=f"The gateway takes all mail again: {_size(gateway.free)} free on its disk",
        )
    for client in gateway.refused:
        yield Finding(
            kind="client-refused",
            subject=client.network,
            trouble=True,
            title=f"The gateway refuses {client.address}",
            text=f"That client has tried {_plural(client.tries, 'time')}, and is not in gateway.networks. If "
            f'it is a mail server of yours or of Microsoft, add "{client.network}" to networks in [gateway] '
            "of vault.toml, and restart the service: its reports wait until then, and may come back as "
            "undeliverable.",
        )


def _altered(facts: Facts) -> Finding:
    return Finding(
        kind="ledger-altered",
        trouble=facts.altered,
        title="The ledger on disk is not what the service wrote",
        text="Its end is missing or was changed by something else. Keep the vault as it is, and run "
        "`muniment verify`: it says what is missing. No run starts on it until an administrator has decided.",
        well="The ledger on disk is what the service wrote again",
    )


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _size(count: int) -> str:
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
