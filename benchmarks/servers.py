"""The mail server, the slow connection and the terminal, shared with the tests (tests/support)."""

from __future__ import annotations

import imaplib
import ssl
import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

from benchmarks.peers import Login
from support.dovecot import Dovecot, Mailbox
from support.entra import CLIENT_ID, DIRECTORY, SECRET, Entra
from support.ews_double import Exchange
from support.graph_double import AT_ONCE, GraphDouble
from support.proxy import Proxy
from support.teletype import Teletype

__all__ = [
    "AT_ONCE",
    "CLIENT_ID",
    "DIRECTORY",
    "SECRET",
    "Dovecot",
    "Entra",
    "Exchange",
    "GraphDouble",
    "Proxy",
    "Teletype",
    "filled",
    "login",
]


def filled(server: Dovecot, messages: Iterable[bytes]) -> Mailbox:
    """A mailbox with these messages, opened once so that the server has built its own indexes."""
    mailbox = server.mailbox()
    mailbox.put(messages)
    context = ssl.create_default_context(cafile=str(server.certificates.authority))
    with imaplib.IMAP4_SSL("localhost", server.imaps, ssl_context=context) as session:
        session.login(mailbox.name, mailbox.password)
        session.select("INBOX", readonly=True)
        session.fetch("1:*", "(UID FLAGS RFC822.SIZE)")
    return mailbox


def login(server: Dovecot, mailbox: Mailbox, port: int) -> Login:
    """How to reach a mailbox through `port`, one of the server's own or a proxy's."""
    return Login(port, mailbox.name, mailbox.password, server.certificates.authority)
