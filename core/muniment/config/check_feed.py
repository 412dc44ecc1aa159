"""Checks the section [audit_feed]. `config.check` says what form problems have."""

from __future__ import annotations

import re
from collections.abc import Iterator

from muniment.config.feed_receiver import receiver_of
from muniment.config.model import AuditFeedSection

_FINGERPRINT = re.compile(r"(?:[0-9A-Fa-f]{2}[: ]?){31}[0-9A-Fa-f]{2}")


def feed_problems(feed: AuditFeedSection) -> Iterator[tuple[str, str]]:
    """Yield dotted keys of wrong settings, each with a sentence."""
    if feed.key and not feed.certificate:
        yield "audit_feed.key", "{key} needs {certificate} as well; name the certificate's file"
    if feed.fingerprint and not _FINGERPRINT.fullmatch(feed.fingerprint):
        yield (
            "audit_feed.fingerprint",
            "{fingerprint} must have 64 hex digits (colons are allowed): the SHA-256 of the certificate",
        )
    if not feed.syslog:
        return
    try:
        receiver = receiver_of(feed.syslog)
    except ValueError:
        yield "audit_feed.syslog", '{syslog} must be a receiver, such as "tls://siem.example:6514"'
        return
    if receiver.encrypted:
        if feed.plain:
            yield "audit_feed.plain", "{plain} is for tcp://, and {syslog} is encrypted; leave it out"
        return
    for key in ("ca_file", "fingerprint", "certificate", "key"):
        if getattr(feed, key):
            yield f"audit_feed.{key}", f"{{{key}}} is for tls://, and {{syslog}} is not encrypted"
    if not feed.plain:
        yield (
            "audit_feed.syslog",
            "{syslog} is not encrypted, so anybody on the way could read and change the events; use "
            "tls://, or set {plain=true} as well for a receiver on this machine or in a private network",
        )
    elif not receiver.near:
        yield (
            "audit_feed.syslog",
            "{syslog} is not encrypted, which is only for localhost or an address of a private network, such "
            "as 10.0.0.5; use tls://",
        )
