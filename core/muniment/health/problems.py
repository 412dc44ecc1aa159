"""Finds the problems of a vault, the worst first, and the verdict over all of them.

Limits that notifications have as well come from `notify.findings`, so a screen and a message never differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from shlex import quote

from muniment.config.model import NotifySection
from muniment.health.model import FoundProblem, HealthFacts, HealthVerdict, UpkeepFacts
from muniment.notify.findings import findings
from muniment.notify.model import TroubleFinding

DAY = 86400
UNVERIFIED = 35
"""Days after which a vault should be verified again."""
UNSAVED = 8
"""Days after which a backup is old, where Muniment makes them."""
SOON, VERY_SOON = 30, 7
"""Days until the disk is full that are a warning, and critical."""
IN_A_ROW = 3
"""Failed attempts of one profile in a row that are critical."""

WARNING, CRITICAL = HealthVerdict.WARNING, HealthVerdict.CRITICAL

Rule = Callable[[HealthFacts, NotifySection], Iterator[FoundProblem]]

KINDS = {
    "ledger-altered": (
        CRITICAL,
        "proof",
        "Keep the vault as it is, and verify it; no run starts until you decide.",
    ),
    "disk-short": (CRITICAL, "", "Free some space, or move the vault to a larger disk."),
    "gateway-closed": (CRITICAL, "settings", ""),
    "gateway-unchanged": (WARNING, "settings", ""),
    "gateway-short": (CRITICAL, "settings", "Free some space before the senders give up."),
    "feed-stopped": (WARNING, "settings", ""),
    "checkpoint-stopped": (WARNING, "settings", ""),
    "checkpoint-refused": (CRITICAL, "proof", ""),
    "checkpoint-late": (WARNING, "proof", ""),
    "disposal-failed": (WARNING, "rules", ""),
    "no-reports": (
        CRITICAL,
        "profiles",
        "Check the journal rule, where its reports go, and the mailbox for undeliverable reports.",
    ),
    "certificate-expires": (
        WARNING,
        "profiles",
        "Have it renewed, else no mail is received or fetched there.",
    ),
    "index-behind": (
        WARNING,
        "proof",
        "Rebuild the index with `muniment rebuild --index`; no mail is missing.",
    ),
    "client-refused": (
        WARNING,
        "settings",
        "If it is a mail server of yours or of Microsoft, add its network to gateway.networks.",
    ),
}
"""Verdict, area and advice for each kind of finding but failed runs. Where the advice is empty, the finding
has it in its last paragraph, and the reason in its first."""
NOTED = frozenset({"ledger-altered", "no-reports", "certificate-expires", "index-behind"})
"""Kinds that only the service's own watch can judge, since they need what it saw before."""


def problems(facts: HealthFacts, limits: NotifySection) -> list[FoundProblem]:
    """Return everything that is wrong, the worst first.

    Args:
        facts: The state of the vault.
        limits: The section [notify] of vault.toml.
    """
    found = [problem for rule in RULES for problem in rule(facts, limits)]
    return sorted(found, key=lambda problem: -problem.verdict)


def verdict(found: Iterable[FoundProblem]) -> tuple[HealthVerdict, str]:
    """Return the worst verdict and one sentence about all problems."""
    listed = sorted(found, key=lambda problem: -problem.verdict)
    if not listed:
        return HealthVerdict.OK, "The archive is well."
    more = f" ({len(listed) - 1} more)" if len(listed) > 1 else ""
    return listed[0].verdict, f"{listed[0].text}{more}"


def _broken(facts: HealthFacts, limits: NotifySection) -> Iterator[FoundProblem]:
    for number, text in enumerate(facts.broken):
        yield FoundProblem(key=f"broken:{number}", verdict=CRITICAL, text=_sentence(text), area="proof")


def _found(facts: HealthFacts, limits: NotifySection) -> Iterator[FoundProblem]:
    """What notifications report: found now, or noted by the service's watch."""
    for finding in findings(facts.archive, limits, facts.reported):
        if finding.trouble and finding.kind not in NOTED:
            yield _run_failed(facts, finding) if finding.kind == "run-failed" else _as_problem(finding)
    for key, title in facts.reported.items():
        kind, _, subject = key.partition(":")
        if kind in NOTED:
            yield _of_kind(key, kind, subject, title)


def _as_problem(finding: TroubleFinding) -> FoundProblem:
    advice = KINDS[finding.kind][2]
    if advice:
        return _of_kind(finding.key, finding.kind, finding.subject, finding.title)
    reason, _, advice = finding.text.partition("\n\n")
    title = f"{finding.title}: {reason.rstrip('.')}" if reason else finding.title
    return _of_kind(finding.key, finding.kind, finding.subject, title, advice)


def _of_kind(key: str, kind: str, subject: str, title: str, advice: str = "") -> FoundProblem:
    worst, area, usual = KINDS[kind]
    row = subject if area == "profiles" else ""
    return FoundProblem(key=key, verdict=worst, text=f"{title}. {advice or usual}", area=area, row=row)


def _run_failed(facts: HealthFacts, finding: TroubleFinding) -> FoundProblem:
    """A failed run; its reason is the first paragraph of the finding's text."""
    last = next((one.last for one in facts.archive.profiles if one.name == finding.subject), None) or {}
    again = int(last.get("in_a_row", 1)) >= IN_A_ROW
    reason = finding.text.partition("\n")[0]
    return FoundProblem(
        key=finding.key,
        verdict=CRITICAL if again or not last.get("balanced", True) else WARNING,
        text=_sentence(f"{finding.title}: {reason}"),
        area="runs",
        row=finding.subject,
    )


def _stopped(facts: HealthFacts, limits: NotifySection) -> Iterator[FoundProblem]:
    """Profiles that do not run by themselves."""
    for profile in facts.profiles:
        if profile.enabled and profile.tested:
            continue
        why = (
            "was never tested, so it does not run by itself. Test it."
            if profile.enabled
            else "is disabled, so it runs only by hand. Enable it, or remove it if it is not needed."
        )
        yield FoundProblem(
            key=f"stopped:{profile.name}",
            verdict=WARNING,
            text=f"Profile {profile.name} {why}",
            area="profiles",
            row=profile.name,
        )


def _disk(facts: HealthFacts, limits: NotifySection) -> Iterator[FoundProblem]:
    left = facts.days_left
    if left is not None and left < SOON:
        yield FoundProblem(
            key="disk-fills",
            verdict=CRITICAL if left < VERY_SOON else WARNING,
            text=f"The vault's disk will be full in about {_plural(left, 'day')}. Free some space, or move "
            "the vault to a larger disk.",
        )


def _silence(facts: HealthFacts, limits: NotifySection) -> Iterator[FoundProblem]:
    silence = facts.silence
    if not silence.total:
        return
    names = ", ".join(silence.named)
    more = f" and {silence.total - len(silence.named):,} more" if silence.total > len(silence.named) else ""
    yield FoundProblem(
        key="silent-users",
        verdict=WARNING,
        text=f"No journal report for {silence.days} days for {names}{more}. Make sure that the journal rule "
        "covers them.",
        area="people",
        row=silence.named[0] if silence.named else "",
    )


def _journaling(facts: HealthFacts, limits: NotifySection) -> Iterator[FoundProblem]:
    for number, text in enumerate(facts.journaling):
        yield FoundProblem(key=f"journaling:{number}", verdict=WARNING, text=_sentence(text), area="profiles")


def _quarantine(facts: HealthFacts, limits: NotifySection) -> Iterator[FoundProblem]:
    if facts.quarantined:
        items = _plural(facts.quarantined, "item")
        yield FoundProblem(
            key="quarantine",
            verdict=WARNING,
            text=f"{items} could not be unwrapped. Look at the reasons in the quarantine, and retry.",
            area="runs",
            row="quarantine",
        )


def _verified(facts: HealthFacts, limits: NotifySection) -> Iterator[FoundProblem]:
    last, now = facts.verified, facts.archive.now
    good = last.good if last else 0
    if last and not last.ok:
        text = f"The last verification failed: {_sentence(last.text)}"
        yield FoundProblem(key="verify", verdict=CRITICAL, text=text, area="proof", row="verify")
    elif last and last.doubt:
        yield FoundProblem(
            key="verify",
            verdict=WARNING,
            text="The vault differs from a noted checkpoint that nothing in it knows: "
            f"{_sentence(last.doubt)} If the checkpoint is of this vault and typed in full, keep the vault "
            "as it is, and compare it with a backup. Otherwise verify it again.",
            area="proof",
            row="verify",
        )
    elif good > now + DAY:
        text = "The last verification is dated in the future, so its age is not known. Verify again."
        yield FoundProblem(key="verify", verdict=WARNING, text=text, area="proof", row="verify")
    elif now - (good or facts.archive.since or now) > UNVERIFIED * DAY:
        when = f"for {_plural(int((now - good) // DAY), 'day')}" if good else "yet"
        text = f"The vault was not verified {when}. Verify it."
        yield FoundProblem(key="verify", verdict=WARNING, text=text, area="proof", row="verify")


def _backed_up(facts: HealthFacts, limits: NotifySection) -> Iterator[FoundProblem]:
    if not facts.backups:
        return  # the vault may be backed up in another way
    newest, *earlier = facts.backups
    good = max((one.good for one in facts.backups if one.good <= facts.archive.now + DAY), default=0)
    if not newest.ok:
        text = f"The last backup failed: {_sentence(newest.text)} Make it again{_or_forget(newest)}."
        yield FoundProblem(key="backup", verdict=CRITICAL, text=text, area="proof", row="backup")
    elif not good:
        text = "The last backup is dated in the future, so its age is not known. Make a new one."
        yield FoundProblem(key="backup", verdict=WARNING, text=text, area="proof", row="backup")
    elif facts.archive.now - good > UNSAVED * DAY:
        days = _plural(int((facts.archive.now - good) // DAY), "day")
        text = f"The last backup is {days} old. Make a new one."
        yield FoundProblem(key="backup", verdict=WARNING, text=text, area="proof", row="backup")
    if left := [one for one in earlier if not one.ok]:
        more = f" ({len(left) - 1:,} more)" if len(left) > 1 else ""
        text = f"The last backup to {left[0].place} failed{more}. Make it again{_or_forget(left[0])}."
        yield FoundProblem(key="backup-left", verdict=WARNING, text=text, area="proof", row="backup")


def _or_forget(backup: UpkeepFacts) -> str:
    if not backup.place:
        return ""
    return f", or forget it if it is not used any more: `muniment backup {quote(backup.place)} --forget`"


def _access(facts: HealthFacts, limits: NotifySection) -> Iterator[FoundProblem]:
    for number, text in enumerate(facts.warnings):
        yield FoundProblem(key=f"folder:{number}", verdict=CRITICAL, text=_sentence(text), area="settings")
    if facts.refused_logins:
        names = ", ".join(facts.refused_logins[:5])
        yield FoundProblem(
            key="logins",
            verdict=WARNING,
            text=f"These logins can't read any mail: {names}. Bind them, or correct [access.users].",
            area="settings",
        )


def _decisions(facts: HealthFacts, limits: NotifySection) -> Iterator[FoundProblem]:
    for number, text in enumerate(facts.decisions):
        yield FoundProblem(key=f"decision:{number}", verdict=WARNING, text=_sentence(text))


RULES: tuple[Rule, ...] = (
    _broken, _found, _verified, _access, _disk, _backed_up, _stopped, _silence, _journaling, _quarantine,
    _decisions,
)  # fmt: skip


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _sentence(text: str) -> str:
    """The text with a capital letter and a full stop."""
    text = text.strip()
    begun = text[:1].upper() + text[1:]
    return begun if begun.endswith((".", "!", "?")) else begun + "."
