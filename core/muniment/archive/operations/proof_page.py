"""The page of a proof in plain words, for a reader who knows neither Muniment nor Merkle trees."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from muniment.system.sanitise import clean

_PAGE = """\
This file proves that one message was kept in a Muniment archive, and that it was not changed since.

What is in it

  message.eml        the message, byte for byte as it was archived; any mail program opens it
  copies/            each copy that brought it, as it was delivered. A journal report is the mail
                     server's own statement of who sent and received the message, Bcc included
  reads/             each look of an administrator or auditor at the message, as the archive
                     recorded it. A person who reads their own mail is not recorded
  proofs/            for each of these, its proof (C2SP tlog-proof, a public format)
  checkpoint.txt     the checkpoint in which they are proven: the archive's name, its number of
                     records, and their root
  checkpoint.tsr     a time stamp of it, if the archive had it stamped
  proof.json         a list of the above, for programs
  verify_ledger.py   checks all of this

The message      {message}
Its archive      {origin}
Proven in        {checkpoint}
Signed by        {signers}

How it proves this

The archive numbers all that it keeps, and computes one short number, the root, over all of it in order. Root
and number of records together are called a checkpoint. If one letter of one message is changed, removed or
put elsewhere, the root is another one. The proof of a message is a list of hashes that leads from the
message to the root. So a reader who knows the checkpoint from elsewhere, and not from this file, can be sure
of the message: from a note of their own, a notice by mail, a publication, or another organisation that keeps
checkpoints.

How to check it

You need Python 3.10 or newer, and nothing else. Take verify_ledger.py from Muniment's own source if you can,
and not from this file, since a forger of the file can forge the script in it. Then run

    python3 verify_ledger.py --proof THIS-FILE.zip --root SIZE:ROOT

with the checkpoint that you know. Without --root, the script says which checkpoint the file itself names,
for you to compare.
{signature}
Who sent and received it, as the copies in copies/ say

{parties}
Who read it

{reads}
What this does not prove

It does not prove that the message tells the truth, nor that its sender is who they claim to be, nor that no
one else has read it. It proves which bytes were in the archive, in which place, when the checkpoint was made.
`README.txt` and `proof.json` explain the proof, and are not proven themselves: if they contradict the message
or a copy, those are right.
"""
_SIGNED = """
The checkpoint is signed. With the public key of the archive or of a witness, which you must have from
elsewhere as well, the script checks the signature (with Python's module `cryptography`, on Debian the package
python3-cryptography). The key must begin with one of the names and ids above:

    python3 verify_ledger.py --proof THIS-FILE.zip --key 'NAME+ID+KEY'
"""
_UNSIGNED = """
This checkpoint is not signed: the archive signs none, or the message is newer than the last signed one.
"""
_STAMPED = """
A time-stamping authority has confirmed when the checkpoint existed (RFC 3161). With the authority's root
certificate, which you must have from elsewhere, this checks it:

    openssl ts -verify -in checkpoint.tsr -data checkpoint.txt -CAfile ROOT.pem
"""
_WIDTH = 12


def page(about: dict[str, Any]) -> str:
    """Return the page for a proof; `about` is the content of its `proof.json`."""
    return _PAGE.format(
        message=about["message"],
        origin=clean(about["origin"]),
        checkpoint=about["checkpoint"],
        signers=clean(f"\n{'':17}".join(about["signers"]), newline=True) or "no one",
        signature=(_SIGNED if about["signers"] else _UNSIGNED) + (_STAMPED if about["stamped"] else ""),
        parties=_copies(about),
        reads=_reads(about),
    )


def _copies(about: dict[str, Any]) -> str:
    shown = "".join(_copy(one) for one in about["records"] if one["kind"] == "envelope")
    if about["copies_erased"]:
        many = about["copies_erased"]
        shown += f"Copies that were erased, since they held another message too: {many}\n\n"
    if about["copies_newer"]:
        shown += f"Copies that came after the checkpoint, and are not here: {about['copies_newer']}\n\n"
    return shown


def _copy(record: dict[str, Any]) -> str:
    what = "a journal report" if record["report"] else "a copy"
    lines = [f"{record['file']}, {what} of {_time(record['time'])}"]
    for party in record["parties"]:
        by = f", by way of {clean(party['via'])}" if party["via"] else ""
        lines.append(f"  {party['role']:<{_WIDTH}} {clean(party['address'])}{by}")
    return "\n".join(lines) + "\n\n"


def _reads(about: dict[str, Any]) -> str:
    reads = [one for one in about["records"] if one["kind"] == "audit"]
    lines = [_look(one) for one in reads]
    if about["reads_left_out"]:
        lines.insert(0, f"  and {about['reads_left_out']:,} times before that")
    if not about["reads_complete"]:
        lines.append("  The archive's list of such looks was changed, so some may be missing here.")
    return "\n".join(lines or ["  No one whose look is recorded, until the checkpoint was made."]) + "\n"


def _look(record: dict[str, Any]) -> str:
    who = clean(record.get("who", "someone"))
    why = f", because: {clean(record['reason'])}" if record.get("reason") else ""
    return f"  {_time(record['time'])}  {who}{why} ({record['file']})"


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
