"""What may not be erased: mail under a legal hold, and mail that a retention rule keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from muniment.archive.catalog.model import MessageRow
from muniment.archive.retention.holds import holds_on
from muniment.archive.retention.judging import RuleJudge, rules_of
from muniment.archive.retention.minimums import RuleTime
from muniment.archive.retention.rules import RuleVersion
from muniment.archive.vault.vault import Vault
from muniment.system.formatting import moment


class Protection(NamedTuple):
    """Why a message may not be erased."""

    kind: Literal["hold", "rule"]
    reason: str
    """As part of a sentence."""


def protections(
    vault: Vault, rows: Sequence[MessageRow], at: int, rules: Sequence[RuleVersion] | None = None
) -> dict[int, Protection]:
    """Return which messages may not be erased, by number.

    Holds and rules are read again, so that one that was recorded a moment ago counts.

    Args:
        vault: The vault.
        rows: The messages.
        at: The moment, in seconds since 1970 UTC.
        rules: Versions of rules for a simulation; by default those of the vault.

    Raises:
        VaultError: A hold or a rule can't be read; then nothing may be erased.
    """
    minimums = RuleJudge(vault, rules_of(vault) if rules is None else rules).minimums(rows, at)
    found = {number: Protection("rule", kept_by(time)) for number, time in minimums.items()}
    held = holds_on(vault, rows)
    return found | {number: Protection("hold", ", ".join(holds)) for number, holds in held.items()}


def protected(vault: Vault, rows: Sequence[MessageRow], at: int) -> dict[bytes, str]:
    """Return why messages may not be erased, by their SHA-256; see `protections`."""
    found = protections(vault, rows, at)
    return {row.sha: found[row.sequence].reason for row in rows if row.sequence in found}


def kept_by(time: RuleTime) -> str:
    """Return until when which rule keeps a message, in words."""
    rule = time.rule
    return f"the rule {rule.name!r} (version {rule.version}) keeps it until {moment(time.until):%Y-%m-%d}"
