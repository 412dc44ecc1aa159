"""A mailbox that gets mail by SMTP: each message comes as an attachment of a mail of its own.

Nothing can be looked up there, so a message whose delivery was interrupted is not sent again. Date and flags
are those of the mail around it.
"""

from __future__ import annotations

import base64
import re
import secrets
import smtplib
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from pathlib import Path

from muniment.config.model import NotifyMail
from muniment.errors import ConfigError, SourceError
from muniment.net.smtp import SmtpClient
from muniment.notify.mail import MailWay, sender_of
from muniment.notify.telling import NotifyFailed, quote
from muniment.system.sanitise import clean
from muniment.targets.base import CLAIMED, GivenMail, MailRefused, MailUncertain

LARGEST = 100 * 1024 * 1024
"""Largest message that is sent, in bytes, since a mail is made in memory."""
SUBJECT = 200
"""Most characters of a subject that are repeated."""
AT_ONCE = 50
"""Mails on one connection."""
_CHANGED = re.compile(rb"[\x00\x80-\xff]|\r(?!\n)|[^\n]{1000}")
"""Matches what can't pass a mail system unchanged: NUL, 8-bit text, a lone CR, a line that is too long."""


class MailTarget:
    """A mailbox that gets mail through the relay of [notify.mail]."""

    batch = 1

    def __init__(self, settings: NotifyMail, folder: Path, mailbox: str) -> None:
        """Set the relay, the vault's folder and the address of the mailbox.

        Raises:
            ConfigError: There is no relay, or no address in From.
        """
        if settings.by != "smtp" or not settings.host:
            raise ConfigError(
                "no mail relay is set: set `host` in [notify.mail] of vault.toml, with `by` smtp"
            )
        if not settings.sender and settings.auth == "password" and not settings.to:
            raise ConfigError("mail needs an address in From: set `sender` in [notify.mail] of vault.toml")
        self._settings = settings
        self._way = MailWay(settings, folder)
        self._mailbox = mailbox
        self._stack = ExitStack()
        self._smtp: SmtpClient | None = None
        self._sent = 0

    @property
    def address(self) -> str:
        return self._settings.host

    def open(self) -> None:
        if self._smtp is not None and self._sent < AT_ONCE:
            return
        self.close()
        try:
            self._smtp = self._stack.enter_context(self._way.logged_in())
        except NotifyFailed as error:
            raise SourceError(str(error)) from error

    def find(self, mail: GivenMail, tried: bool, claimed: CLAIMED) -> str | None:
        if tried:
            raise MailUncertain(
                "it may have been sent already, before the connection broke: look into the mailbox, and "
                "repeat it with --again if it is not there"
            )
        return None

    def put(self, mail: GivenMail) -> str:
        if mail.content.size > LARGEST:
            raise MailRefused("it is too large to be sent by mail: give it back by IMAP, or export it")
        smtp = self._smtp
        assert smtp is not None
        self._sent += 1
        try:
            smtp.sendmail(sender_of(self._settings), [self._mailbox], self._letter(mail))
        except smtplib.SMTPRecipientsRefused as error:
            code, reason = next(iter(error.recipients.values()))
            raise MailRefused(f"{self.address} refused {self._mailbox} ({code} {quote(reason)})") from error
        except smtplib.SMTPServerDisconnected as error:
            self.close()
            raise MailUncertain(self._broken(type(error).__name__)) from error
        except smtplib.SMTPResponseException as error:
            raise MailRefused(
                f"{self.address} refused it ({error.smtp_code} {quote(error.smtp_error)})"
            ) from error
        except (smtplib.SMTPException, OSError) as error:
            self.close()
            raise MailUncertain(self._broken(type(error).__name__)) from error
        return ""

    def _broken(self, why: str) -> str:
        return (
            f"the connection to {self.address} broke ({why}), and it may have been sent: look into the "
            "mailbox, and repeat it with --again if it is not there"
        )

    def close(self) -> None:
        stack, self._stack, self._smtp, self._sent = self._stack, ExitStack(), None, 0
        # If QUIT is not answered, all mails before it were.
        with suppress(NotifyFailed, smtplib.SMTPException, OSError):
            stack.close()

    def _letter(self, mail: GivenMail) -> bytes:
        """The mail that brings a message."""
        sender, mark = sender_of(self._settings), secrets.token_hex(16)
        head = EmailMessage(policy=SMTP)
        head["From"] = sender
        head["To"] = self._mailbox
        head["Subject"] = f"From the archive: {_one_line(mail.subject)}"
        head["Date"] = formatdate()
        head["Message-ID"] = f"<{mail.id[:32]}.{mark[:8]}@{sender.rpartition('@')[2]}>"
        head["Auto-Submitted"] = "auto-generated"  # RFC 3834: asks for no automatic reply
        text = (
            f"The attached message comes from the archive. Its mailbox received it on "
            f"{formatdate(mail.date)}.\r\n"
            f"Its id in the archive is {mail.id}.\r\n"
        )
        plain = b"Content-Type: text/plain; charset=us-ascii\r\n\r\n" + text.encode()
        typed = f'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="{mark}"\r\n\r\n'.encode()
        body = b"\r\n".join(b"--%s\r\n%s" % (mark.encode(), part) for part in (plain, *_attached(mail)))
        return bytes(head).rstrip(b"\r\n") + b"\r\n" + typed + body + f"\r\n--{mark}--\r\n".encode()


def _one_line(subject: str) -> str:
    """A subject that can be a header field."""
    return " ".join(clean(subject).encode("utf-8", "replace").decode().split())[:SUBJECT]


def _attached(mail: GivenMail) -> Iterator[bytes]:
    """The message as an attachment: as a mail if it passes unchanged, else as a file in base64."""
    content = b"".join(mail.content.pieces())
    name = f"{mail.id[:16]}.eml"
    shown = f'Content-Disposition: attachment; filename="{name}"\r\n'
    if _CHANGED.search(content) or not content.endswith(b"\r\n"):
        head = (
            f'Content-Type: application/octet-stream; name="{name}"\r\nContent-Transfer-Encoding: base64\r\n'
        )
        yield (head + shown + "\r\n").encode() + base64.encodebytes(content).replace(b"\n", b"\r\n")
    else:
        yield f"Content-Type: message/rfc822\r\n{shown}\r\n".encode() + content
