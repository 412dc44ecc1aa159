"""Rewrites a message as Exchange and Graph do: other bytes that say the same."""

from __future__ import annotations

import base64
import email.policy
from email import message_from_bytes
from email.message import EmailMessage

from muniment.archive.vault.open_vault import open_vault
from muniment.mail.content.fork import is_transport
from muniment.mail.journal.report import read_report
from muniment.runs.pipeline.plan import RunPlan
from muniment.runs.pipeline.progress import RunBooks
from muniment.runs.prepare.worker_pool import WorkerPool
from muniment.runs.run import ArchiveRun
from muniment.sources.endpoint import FileEndpoint
from muniment.sources.factory import open_source
from support.vaults import TestVault, put

_OWN = ("mime-version", "content-")
"""Fields that the service writes itself."""
_KEPT = (b"from", b"to", b"sender", b"subject", b"date", b"message-id")


def regenerated(raw: bytes, encoding: str = "base64") -> bytes:
    """The message with another order of headers, other boundaries and encodings.

    `encoding` is that of its text.
    """
    old = message_from_bytes(raw, policy=email.policy.default)
    new = EmailMessage(policy=email.policy.SMTP.clone(max_line_length=60))
    new["X-MS-Exchange-Organization-SCL"] = "-1"
    others = [name for name in old if not is_transport(name.encode()) and not name.lower().startswith(_OWN)]
    for name in dict.fromkeys(("Date", "Message-ID", "Subject", "Cc", "To", "From", *others)):
        if old[name] is not None:
            new[name] = old[name]
    text = old.get_body()
    assert text is not None
    new.set_content(text.get_content(), charset="iso-8859-1", cte=encoding)
    for part in reversed(list(old.iter_attachments())):
        new.add_attachment(
            part.get_content(), maintype="application", subtype="x-other", filename=part.get_filename()
        )
    return new.as_bytes()


def regenerated_report(raw: bytes, encoding: str = "base64") -> bytes:
    """A rewritten journal report: its marker is lost, and envelope and original have other encodings."""
    report = read_report(raw)
    assert report is not None
    (span,) = report.originals
    text = message_from_bytes(raw).get_payload(0).get_payload(decode=True)  # type: ignore[union-attr]
    boundary = f"_again_{encoding}_"
    head, _, _ = raw.partition(b"\r\n\r\n")
    kept = [line for line in head.split(b"\r\n") if line.partition(b":")[0].lower() in _KEPT]
    return b"\r\n".join([
        *kept,
        b"MIME-Version: 1.0",
        f'Content-Type: multipart/mixed; boundary="{boundary}"'.encode(),
        b"",
        f"--{boundary}".encode(),
        b'Content-Type: text/plain; charset="utf-8"',
        b"Content-Transfer-Encoding: base64",
        b"",
        base64.encodebytes(text).replace(b"\n", b"\r\n"),  # type: ignore[arg-type]
        f"--{boundary}".encode(),
        b"Content-Type: message/rfc822",
        b"",
        regenerated(raw[span.start : span.end], encoding),
        f"--{boundary}--".encode(),
        b"",
    ])  # fmt: skip


def mailbox(
    vault: TestVault, name: str, *mails: bytes, owner: str = "bob@example.com", folder: str = "Kunden"
) -> RunBooks:
    """Archive mails as from a service's mailbox: from a maildir, but marked as regenerated."""
    path = vault.folder.parent / name
    for part in ("new", "cur", "tmp"):
        (path / part).mkdir(parents=True, exist_ok=True)
    put(path / "new", mails)
    source = open_source(FileEndpoint("maildir", vault.folder.parent / "work", path=str(path)))
    plan = RunPlan("mailbox", False, False, owner=owner, owner_folder=folder, regenerated=True)
    pool = WorkerPool()
    opened = open_vault(vault.folder, write=True)
    try:
        progress = ArchiveRun(opened, source, plan, pool).execute()
    finally:
        pool.close()
        opened.close()
    assert (progress.state, progress.error) == ("ok", "")
    return progress.books
