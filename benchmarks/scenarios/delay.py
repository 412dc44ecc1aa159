"""Fetching from a distant server."""

from __future__ import annotations

from benchmarks.lab import Lab
from benchmarks.peers import Getmail, from_server
from benchmarks.report import RACE_COLUMNS, Aim, Section, Table, race_row, seconds, times
from benchmarks.servers import Dovecot, Proxy, filled, login

ROUND_TRIP = 0.05
TEXT = """\
As above, through a proxy that delays everything for half of 50 ms each way. Its bandwidth is not limited,
but it uses its share of the cores. The undelayed rate is that of the connection without a proxy; the
proxy without a delay is listed for comparison. getmail6 waits a round trip for each message. It is
therefore given only the first {slow:,}, to compare rates. It indexes nothing, and speaks TLS from the
start because it does not support STLS."""


def measure(lab: Lab) -> Section:
    """Muniment with and without a delay, and getmail6."""
    mail = lab.mail(lab.settings.count)
    slow = lab.settings.slow
    with Dovecot() as server:
        mailbox = filled(server, (path.read_bytes() for path in mail.files()))
        few = filled(server, (path.read_bytes() for path in mail.files()[:slow]))
        target, encrypted = (server.host, server.pop3), (server.host, server.pop3s)
        with Proxy(target) as near, Proxy(target, ROUND_TRIP) as far, Proxy(encrypted, ROUND_TRIP) as far_tls:
            contestants = (
                from_server("Muniment, direct", "gateway", login(server, mailbox, server.pop3), mail.count),
                from_server("Muniment, proxy", "gateway", login(server, mailbox, near.port), mail.count),
                from_server(
                    "Muniment, proxy, 50 ms", "gateway", login(server, mailbox, far.port), mail.count
                ),
                Getmail(login(server, few, far_tls.port), slow, "getmail6, proxy, 50 ms"),
            )
            trials = lab.race(contestants)
    rates = [one.count / seconds(trials[one.name]) for one in contestants]
    direct, proxied, delayed, getmail = rates
    first = seconds(trials[contestants[0].name])
    return Section(
        "From a server 50 ms away",
        TEXT.format(slow=slow),
        ("muniment run bench", "getmail"),
        [
            Table(
                RACE_COLUMNS, [race_row(one.name, one.count, trials[one.name], first) for one in contestants]
            )
        ],
        [
            Aim(
                "POP3 at 50 ms: half of the undelayed rate",
                f"{delayed / direct:.2f} of it ({delayed / proxied:.2f} of the proxy's without delay)",
                delayed >= direct / 2,
            ),
            Aim("POP3 at 50 ms: 10x getmail6", times(delayed / getmail), delayed >= 10 * getmail),
        ],
    )
