"""From a mail server's mailbox to a searchable archive."""

from __future__ import annotations

from benchmarks.lab import Lab
from benchmarks.peers import MbsyncNotmuch, from_server
from benchmarks.report import RACE_COLUMNS, Aim, Section, Table, megabytes, race_row, seconds, times
from benchmarks.servers import Dovecot, filled, login

TEXT = """\
{count:,} journal reports of {size} MB are in a mailbox of a Dovecot on this machine, which shares its
cores with its clients. The connection is encrypted for all. The mail stays in the mailbox. mbsync does
not wait for the disk (`FSync no`); Muniment does."""


def measure(lab: Lab) -> Section:
    """Muniment over POP3 and IMAP compared with mbsync and notmuch."""
    mail = lab.mail(lab.settings.count)
    with Dovecot() as server:
        mailbox = filled(server, (path.read_bytes() for path in mail.files()))
        contestants = (
            from_server(
                "Muniment, POP3 with STLS", "gateway", login(server, mailbox, server.pop3), mail.count
            ),
            from_server("Muniment, IMAP with TLS", "imap", login(server, mailbox, server.imaps), mail.count),
            MbsyncNotmuch(login(server, mailbox, server.imaps), mail.count),
        )
        trials = lab.race(contestants)
    pop3, imap, peer = (seconds(trials[one.name]) for one in contestants)
    return Section(
        "From a mail server to a searchable archive",
        TEXT.format(count=mail.count, size=megabytes(mail.bytes)),
        ("muniment run bench", "mbsync bench && notmuch new"),
        [Table(RACE_COLUMNS, [race_row(one, mail.count, found, pop3) for one, found in trials.items()])],
        [
            Aim("POP3 to vault: 3x `mbsync` and `notmuch new`", times(peer / pop3), peer / pop3 >= 3),
            Aim("IMAP to vault: 3x `mbsync` and `notmuch new`", times(peer / imap), peer / imap >= 3),
        ],
    )
