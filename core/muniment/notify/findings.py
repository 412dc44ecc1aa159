"""Finds problems in the facts about an archive. Its only state is which problems were reported before."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime

from muniment.config.model import NotifySection
from muniment.notify.model import (
    ArchiveFacts,
    CheckpointFacts,
    DisposalFacts,
    FeedFacts,
    GatewayFacts,
    ProfileFacts,
    TroubleFinding,
    harmless,
)

HOUR, DAY = 3600, 86400
LATE = 3 * DAY
"""Seconds after which a witness or a place has to have taken a checkpoint, and a daily disposal to have been.
Both are due each day; a machine may be off for a weekend."""
MARGIN = 1.1
"""Factor on a limit before a shortage counts as over, so that small changes cause no messages."""


def findings(
    facts: ArchiveFacts, limits: NotifySection, active: Collection[str] = ()
) -> Iterator[TroubleFinding]:
    """Check for every possible problem.

    Args:
        facts: The state of the archive.
        limits: The section [notify] of vault.toml.
        active: Keys of the problems that were reported and are not over.

    Yields:
        One finding for each possible problem, whether it exists or not.
    """
    for profile in facts.profiles:
        if profile.last is not None:
            yield _run(profile)
    yield from _silences(facts, limits)
    if limits.certificate_days:
        for name, expires in facts.certificates.items():
            yield _certificate(name, expires, facts.now, limits.certificate_days)
    if limits.disk_percent or limits.disk_bytes:
        yield _disk(facts, limits, "disk-short" in active)
    if limits.behind_minutes:
        yield _index(facts, limits.behind_minutes)
    if facts.gateway is not None:
        yield from _gateway(facts.gateway, "gateway-short" in active)
    if facts.feed is not None:
        yield _feed(facts.feed)
    if facts.checkpoints is not None:
        yield from _checkpoints(facts.checkpoints)
        for name, since in facts.checkpoints.reached.items():
            yield _late(name, since, facts)
    if facts.disposal is not None:
        yield _disposal(facts.disposal, facts)
    if facts.altered is not None or "ledger-altered" in active:
        yield _altered(facts)


def _run(profile: ProfileFacts) -> TroubleFinding:
    last = profile.last or {}
    state, balanced = last.get("state"), bool(last.get("balanced", True))
    trouble = None if state == "cancelled" and balanced else state != "ok" or not balanced
    what = "failed" if balanced else "ended with books that do not balance"
    why = harmless(str(last.get("error") or "")) or "The reason is not known."
    return TroubleFinding(
        kind="run-failed",
        subject=profile.name,
        trouble=trouble,
        title=f"The run of {profile.name} {what}",
        text=f"{why}\n\nOnly mail that is kept was deleted. `muniment status` shows the books.",
        well=f"The run of {profile.name} succeeded again",
    )


def _silences(facts: ArchiveFacts, limits: NotifySection) -> Iterator[TroubleFinding]:
    """Hours without a journal report: for all profiles that should bring some, and for single ones."""
    due = [profile for profile in facts.profiles if profile.journal]
    if due and limits.silent_hours:
        yield _silence("", max(profile.report for profile in due) or facts.since, facts, limits.silent_hours)
    for profile in due:
        if hours := limits.silent.get(profile.name):
            yield _silence(profile.name, profile.report or facts.since, facts, hours)


def _silence(name: str, last: float, facts: ArchiveFacts, hours: int) -> TroubleFinding:
    silent = facts.now - last >= hours * HOUR
    where = f" at {name}" if name else ""
    return TroubleFinding(
        kind="no-reports",
        subject=name,
        trouble=silent if facts.settled or not silent else None,
        title=f"No journal report{where} for {_plural(int((facts.now - last) // HOUR), 'hour')}",
        text=f"None was archived after {_time(last)}. Mail that is sent now may not be archived: check that "
        "the journal rule is enabled, where its reports go, and whether the mailbox for undeliverable "
        "reports fills up.",
        well=f"Journal reports arrive{where} again",
    )


def _certificate(name: str, expires: float | None, now: float, days: int) -> TroubleFinding:
    left = 0.0 if expires is None else (expires - now) / DAY
    when = "has expired" if left <= 0 else f"expires in {_plural(int(left), 'day')}"
    return TroubleFinding(
        kind="certificate-expires",
        subject=name,
        trouble=None if expires is None else left < days,
        title=f"The certificate of {name} {when}",
        text=f"It is valid until {_time(expires or 0)}. After that, no mail is received or fetched there: "
        "have it renewed.",
        well=f"The certificate of {name} was renewed",
    )


def _disk(facts: ArchiveFacts, limits: NotifySection, active: bool) -> TroubleFinding:
    if facts.disk is None:
        return TroubleFinding(kind="disk-short")
    total, free = facts.disk
    least = max(total * limits.disk_percent / 100, limits.disk_bytes) * (MARGIN if active else 1)
    return TroubleFinding(
        kind="disk-short",
        trouble=free < min(least, total),
        title=f"The vault's disk is almost full: {_size(free)} of {_size(total)} free",
        text="When it is full, runs fail and mail stays at its source: free some space, or move the vault.",
        well=f"The vault's disk has enough space again: {_size(free)} of {_size(total)} free",
    )


def _index(facts: ArchiveFacts, minutes: int) -> TroubleFinding:
    since = facts.behind_since
    late = since is not None and facts.now - since >= minutes * 60
    return TroubleFinding(
        kind="index-behind",
        trouble=late,
        title=f"The search index lacks {_plural(facts.behind, 'message')}",
        text=f"It has added no message since {_time(since or 0)}. The messages are kept, and can be listed "
        "and shown. `muniment rebuild --index` rebuilds the index.",
        well="The search index is complete again",
    )


def _gateway(gateway: GatewayFacts, active: bool) -> Iterator[TroubleFinding]:
    """A port that is not open, lack of space for mail, and refused clients that keep coming back."""
    if gateway.listens is not None:
        yield TroubleFinding(
            kind="gateway-closed",
            trouble=not gateway.listens,
            title="The gateway receives no mail",
            text=f"{harmless(gateway.problem)}\n\nSenders try again for some time. {_opens(gateway)}",
            well="The gateway receives mail again",
        )
        yield TroubleFinding(
            kind="gateway-unchanged",
            trouble=bool(gateway.problem) if gateway.listens else None,
            title="The gateway still has its earlier settings",
            text=f"{harmless(gateway.problem)}\n\nIt receives mail. {_opens(gateway)}",
            well="The gateway has the settings of vault.toml",
        )
    if gateway.free is not None:
        least = gateway.least * (MARGIN if active else 1)
        yield TroubleFinding(
            kind="gateway-short",
            trouble=gateway.free < least,
            title=f"The gateway puts mail off: {_size(gateway.free)} free on its disk",
            text=f"It keeps {_size(gateway.reserve)} free for the run that empties its spool "
            "(gateway.reserve in vault.toml). Senders try again: free some space before they give up.",
            well=f"The gateway accepts all mail again: {_size(gateway.free)} free on its disk",
        )
    for client in gateway.refused:
        yield TroubleFinding(
            kind="client-refused",
            subject=client.network,
            trouble=True,
            title=f"The gateway refuses {client.address}",
            text=f"That client has tried {_plural(client.tries, 'time')} and is not in gateway.networks. If "
            f'it is a mail server of yours or of Microsoft, add "{client.network}" to networks in [gateway] '
            "of vault.toml. Until then its reports wait, and they may come back as "
            "undeliverable.",
        )


def _opens(gateway: GatewayFacts) -> str:
    """What makes the gateway listen as vault.toml wants it, as a sentence."""
    if gateway.port_taken:
        return "The service opens the port as soon as it is free."
    return "Correct [gateway] in vault.toml: the service takes up the change within seconds."


def _checkpoints(facts: CheckpointFacts) -> Iterator[TroubleFinding]:
    refused = harmless("; ".join(facts.alarms))
    yield TroubleFinding(
        kind="checkpoint-refused",
        trouble=bool(facts.alarms),
        title="Somebody outside knows another history of the ledger",
        text=f"{refused[:1].upper()}{refused[1:]}\n\nKeep this vault as it is, restore a backup beside it "
        "and compare. Nothing is signed until the ledger has that history again, or `muniment checkpoint "
        "new-key` begins a new one.",
        well="The ledger continues its checkpoints again",
    )
    problem = harmless("; ".join(facts.problems))
    yield TroubleFinding(
        kind="checkpoint-stopped",
        trouble=facts.lasts,
        title="Checkpoints are not signed or published",
        text=f"{problem[:1].upper()}{problem[1:]}\n\nNo mail is missing, and it is tried again. "
        "[checkpoints] in vault.toml says who signs and where they go.",
        well="Checkpoints are signed and published again",
    )


def _late(name: str, since: float, facts: ArchiveFacts) -> TroubleFinding:
    """A witness, an authority or a place that has taken no checkpoint for days; without a name, signing."""
    late = facts.now - since >= LATE
    name, day = harmless(name), _time(since)[:10]
    return TroubleFinding(
        kind="checkpoint-late",
        subject=name,
        trouble=late if facts.settled or not late else None,
        title=f"No checkpoint has reached {name} since {day}"
        if name
        else f"No checkpoint was signed since {day}",
        text="Later changes of the ledger can't be proved by it\n\n`muniment checkpoint publish` tries it "
        "now and says what is wrong. [checkpoints] in vault.toml says who signs and where they go.",
        well=f"A checkpoint has reached {name} again" if name else "Checkpoints are signed again",
    )


def _disposal(disposal: DisposalFacts, facts: ArchiveFacts) -> TroubleFinding:
    late = bool(disposal.last) and facts.now - disposal.last >= LATE
    problem = harmless(disposal.problem)
    why = (
        problem[:1].upper() + problem[1:] if problem else "The service, or other work, kept it from beginning"
    )
    return TroubleFinding(
        kind="disposal-failed",
        trouble=True if problem else late if facts.settled or not late else None,
        title=f"The daily disposal of {disposal.day} failed"
        if problem
        else f"There was no daily disposal since {disposal.day}",
        text=f"{why}\n\nNothing is lost, but mail stays longer than the rules say. It is tried again "
        f"at the next {disposal.due}. `muniment retention simulate` says what is due, and "
        "`muniment retention dispose` erases it now.",
        well="The daily disposal works again",
    )


def _feed(feed: FeedFacts) -> TroubleFinding:
    return TroubleFinding(
        kind="feed-stopped",
        trouble=feed.lasts,
        title="Audit events do not reach their receiver",
        text=f"{harmless(feed.problem)}\n\nThe events are kept, and are sent in order once this is "
        "corrected. [audit_feed] in vault.toml names the receiver.",
        well="Audit events reach their receiver again",
    )


def _altered(facts: ArchiveFacts) -> TroubleFinding:
    return TroubleFinding(
        kind="ledger-altered",
        trouble=facts.altered,
        title="The ledger on disk is not what the service wrote",
        text="Its end is missing, or something else has changed it. Keep the vault as it is, and run "
        "`muniment verify` to see what is missing. No run starts until an administrator has decided.",
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
