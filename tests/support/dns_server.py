"""A DNS server on loopback that answers from a table, for tests of look-ups.

A double, since the names of the tests can't be put into the real DNS. It speaks the wire protocol over UDP
(RFC 1035), with dnspython's encoder. It does not cover TCP, truncation, DNSSEC, delegation and caching. For
a type of record that a name does not have, it answers NODATA.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping, Sequence

import dns.flags
import dns.message
import dns.rcode
import dns.rrset


class DnsServer:
    """Answers from `records`, inside its context.

    `records` has (type, text) pairs by name, without the last dot. Any other name does not exist (NXDOMAIN).
    With `silent` the server never answers.
    """

    def __init__(self, records: Mapping[str, Sequence[tuple[str, str]]], silent: bool = False) -> None:
        self.records = dict(records)
        self.silent = silent
        self.asked: list[tuple[str, str]] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def address(self) -> str:
        """`address:port`, as in `journaling.resolver`."""
        return f"127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> DnsServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            wire, client = self._socket.recvfrom(4096)
            if not wire:
                return
            if not self.silent:
                self._socket.sendto(self._answer(dns.message.from_wire(wire)).to_wire(), client)

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.AA | dns.flags.RA
        known = self.records.get(name)
        if known is None:
            reply.set_rcode(dns.rcode.NXDOMAIN)
            return reply
        values = [text for one, text in known if one == kind]
        if values:
            reply.answer.append(dns.rrset.from_text_list(question.name, 60, "IN", kind, values))
        return reply


RECORDS = {
    "example.com": [("MX", "0 example-com.mail.protection.outlook.com.")],
    "dane.example": [("MX", "0 dane-example.o-v1.mx.microsoft.")],
    "filtered.example": [("MX", "20 mx2.filter.example."), ("MX", "10 mx1.filter.example.")],
    "archive.example": [("MX", "10 localhost.")],
    "localhost": [("A", "127.0.0.1")],
    "other.example": [("MX", "10 mail.other.example.")],
    "mail.other.example": [("A", "127.0.0.1")],
    "dangling.example": [("MX", "10 gone.example.")],
    "bare.example": [("A", "192.0.2.7")],
    "none.example": [("TXT", '"no mail here"')],
    "null.example": [("MX", "0 .")],
}
"""The records of the tests."""
