"""Looks up TXT records in DNS, each at most once an hour."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dns.resolver import Answer, Resolver

SECONDS = 5.0
"""Longest time for one look-up."""
FRESH = 3600.0
"""Seconds for which an answer is used again."""
REMEMBERED = 10_000
"""Answers that are remembered."""
LONGEST = 16 * 1024
"""Longest record that is taken, in bytes; no key is as long."""
NO_ANSWER = "DNS gave no answer"


@dataclass(frozen=True, slots=True)
class TxtAnswer:
    """What DNS answered."""

    asked: int
    """When it was asked, in seconds since 1970 UTC."""
    texts: tuple[bytes, ...] = ()
    """The records, each with its strings joined."""
    authentic: bool = False
    """Whether the resolver says that it has checked the answer by DNSSEC (its AD flag). Only a resolver on a
    trusted way can be believed."""
    problem: str = ""
    """Why there is no record."""


class TxtRecords:
    """Asks one DNS server, or those of this machine. Thread-safe."""

    def __init__(
        self,
        server: tuple[str, int] | None = None,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Ask nothing yet.

        Args:
            server: Address and port of the DNS server; None for this machine's own.
            seconds: Longest time for one look-up.
            clock: Returns the time now, in seconds since 1970 UTC.
        """
        self._server = server
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._known: OrderedDict[str, TxtAnswer] = OrderedDict()

    def find(self, name: str) -> TxtAnswer:
        """Return the TXT records of a name in ASCII. It never raises."""
        now = self._clock()
        with self._lock:
            known = self._known.get(name)
        if known is not None and 0 <= now - known.asked < FRESH:
            return known
        answer = self._ask(name, int(now))
        with self._lock:
            self._known[name] = answer
            self._known.move_to_end(name)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return answer

    def _ask(self, name: str, now: int) -> TxtAnswer:
        import dns.exception
        import dns.flags
        import dns.resolver

        try:
            found = self._resolver().resolve(f"{name}.", "TXT", raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN:
            return TxtAnswer(now, problem="the domain has no key of this name")
        except (dns.exception.Timeout, dns.resolver.NoNameservers, OSError):
            return TxtAnswer(now, problem=NO_ANSWER)
        except (dns.exception.DNSException, ValueError):
            return TxtAnswer(now, problem="its name can't be looked up in DNS")
        texts = _texts(found)
        problem = "" if texts else "the domain has no key of this name"
        authentic = bool(found.response.flags & dns.flags.AD)
        return TxtAnswer(now, texts, authentic, problem)

    def _resolver(self) -> Resolver:
        import dns.flags
        import dns.resolver

        resolver = dns.resolver.Resolver(configure=self._server is None)
        resolver.cache = None
        resolver.lifetime = self._seconds
        resolver.flags = dns.flags.RD | dns.flags.AD
        resolver.use_edns(0, 0, 1232)
        if self._server is not None:
            host, resolver.port = self._server
            resolver.nameservers = [host]
        return resolver


def _texts(found: Answer) -> tuple[bytes, ...]:
    joined = (b"".join(record.strings) for record in found.rrset or ())
    return tuple(text for text in joined if len(text) <= LONGEST)
