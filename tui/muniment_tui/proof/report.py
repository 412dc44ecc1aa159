"""What the Proof screen says: the checkpoint, a result in words, what to do, backups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.content import Content

from muniment.api import Noted, PastBackup, PastVerification, Proof, Verified
from muniment.system.formatting import count, local, seconds
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.chips import chip, line
from muniment_tui.widgets.rows import ListRow

MISTYPED = "Make sure that the noted checkpoint is of this vault, and typed in full."
NAMED = 50
"""Problems that are listed."""
CATALOG, INDEX = "rebuild --catalog", "rebuild --index"
"""What a problem of a projection says, by the command that mends it."""


def checkpoint_text(proof: Proof) -> Content:
    """The present checkpoint, and what it is good for."""
    if not proof.checkpoint:
        return shown("The ledger is empty: there is nothing to prove yet.", "$secondary")
    records = f"{count(proof.tree_size)} {'record' if proof.tree_size == 1 else 'records'}"
    head = joined((records, "bold"), (f"  since {local(proof.written)}", ""))
    note = "Note it elsewhere. It proves later that nothing was removed or changed."
    return Content("\n").join([head, shown(proof.checkpoint, "$primary"), shown(note, "$secondary")])


# --- results ----------------------------------------------------------------------------------


def result_text(verified: Verified, deep: bool, took: float) -> Content:
    """The result of a verification that has just ended."""
    refuted = [one for one in verified.was if one.state != "unchanged"]
    kind = "deep verification" if deep else "verification"
    facts = (
        f"{count(verified.tree_size)} records, {count(verified.messages)} messages; {kind}, {seconds(took)}"
    )
    lines = [_verdict(verified.ok, len(verified.problems) + len(refuted)), shown(facts, "$secondary")]
    lines += [_comparison(one) for one in verified.was]
    lines += _problems(verified.problems)
    lines += [line("warning", f"{note}.") for note in verified.notes]
    lines += _advice(verified.problems, refuted)
    return Content("\n").join(lines)


def _verdict(ok: bool, wrong: int) -> Content:
    if ok:
        return joined(chip("ok", "whole"), ("The archive is whole and unchanged.", "bold"), gap=" ")
    problems = f"{count(wrong)} {'problem' if wrong == 1 else 'problems'} found"
    return joined(chip("failed", problems), ("Keep the vault as it is.", "bold"), gap=" ")


def _comparison(noted: Noted) -> Content:
    """The answer for one noted checkpoint."""
    name = noted.checkpoint[:24]
    if noted.state != "unchanged":
        return line("failed", f"Not as noted ({name}…): {noted.text}.", "$error")
    since = f"Unchanged since {local(noted.time)}" if noted.time else "Unchanged"
    return joined(line("ok", since, "bold $success"), (f" ({name}…): {noted.text}.", ""))


def _problems(problems: Sequence[str]) -> list[Content]:
    lines = [joined((f"{number:>3}. ", "$secondary"), (text, "")) for number, text in enumerate(problems, 1)]
    more = len(lines) - NAMED
    return lines if more <= 0 else [*lines[:NAMED], shown(f"     and {count(more)} more", "$secondary")]


def _advice(problems: Iterable[str], refuted: Sequence[Noted] = ()) -> list[Content]:
    """What to do about the problems, one sentence for each kind."""
    found = list(problems)
    rest = [text for text in found if CATALOG not in text and INDEX not in text]
    advice = []
    if rest or refuted:
        advice.append(
            "Restore the newest backup into another folder and verify it: `muniment verify --vault FOLDER`. "
            "The ledger of this vault is never changed, so both can be compared."
        )
    if refuted:
        advice.append(MISTYPED)
    if len(rest) < len(found):
        advice.append(
            "Press r to rebuild the catalog and the index from the ledger. No mail is lost with them."
        )
    if not advice:
        return []
    return [Content(), shown("What to do", "bold"), *(joined(("  • ", ""), (text, "")) for text in advice)]


def mendable(problems: Iterable[str]) -> bool:
    """Whether a rebuild mends one of the problems."""
    return any(CATALOG in text or INDEX in text for text in problems)


def past_text(proof: Proof) -> Content:
    """The last verifications, before one is made here."""
    if proof.verified is None:
        advice = "Press v to check the ledger, its catalog and its index; V also reads and hashes every mail."
        return Content("\n").join(
            [line("off", "This archive was never verified.", "bold"), shown(advice, "$secondary")]
        )
    past = [proof.verified]
    if proof.deep is not None and not proof.verified.deep:
        past.append(proof.deep)
    lines = [_past_line(one) for one in past]
    if proof.deep is None:
        lines.append(line("off", "never verified deeply: V also reads and hashes every mail.", "$secondary"))
    doubts = proof.verified.doubts
    lines += [line("warning", f"Not as noted: {text}.") for text in doubts[:NAMED]]
    if doubts:
        lines.append(shown(MISTYPED, "$secondary"))
    if not proof.verified.ok:
        lines += [*_problems(proof.verified.problems), *_advice(proof.verified.problems)]
    return Content("\n").join(lines)


def _past_line(past: PastVerification) -> Content:
    kind = "verified deeply" if past.deep else "verified"
    wrong = len(past.problems)
    state = chip("ok", "whole") if past.ok else chip("failed", f"{count(max(wrong, 1))} wrong")
    records = past.checkpoint.partition(":")[0]
    facts = f"{count(int(records))} records" if records.isdecimal() and len(records) < 20 else ""
    return joined(
        state,
        (f"{local(past.time)} {kind}", "bold"),
        (", ".join(filter(None, [facts, seconds(past.seconds), f"by {past.who}" if past.who else ""])),
         "$secondary"),
        gap=" ",
    )  # fmt: skip


def damage_text(damage: Sequence[str]) -> Content:
    """The damage that is known without a verification, and what to do."""
    head = joined(chip("failed", "damaged"), ("What the vault knows does not agree:", "bold"), gap=" ")
    advice = [
        "Restore a backup beside it and compare; keep this vault as it is until then.",
        "A continues without what is lost; the ledger records who decided that.",
    ]
    return Content("\n").join(
        [
            head,
            *_problems(damage),
            Content(),
            shown("What to do", "bold"),
            *(joined(("  • ", ""), (text, "")) for text in advice),
        ]
    )


# --- backups ----------------------------------------------------------------------------------


def backup_row(past: PastBackup) -> ListRow:
    """The row of the last backup to a folder."""
    held = past.checkpoint.partition(":")[0]
    records = count(int(held)) if held.isdecimal() and len(held) < 20 else ""
    state = line("ok", "complete") if past.ok else line("failed", f"failed: {past.error}")
    return ListRow(past.path, (local(past.time), past.path, state, records), past)


def backup_status(past: PastBackup) -> Content:
    """The whole story of a backup, for the status line."""
    if past.ok:
        return shown(f"{past.path}: complete, {seconds(past.seconds)}, by {past.who}", "$secondary")
    whole = f" The last complete one: {local(past.whole)}." if past.whole else " None was ever complete."
    return shown(f"{past.error}.{whole}", "$error")
