"""When certificates expire: those of mail servers, and that of the embedded gateway."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

from muniment.config.model import Profile, Settings
from muniment.errors import MunimentError, SourceError
from muniment.net.events import LineSecured
from muniment.profiles.registry import KIND
from muniment.service.host.profile_source import endpoint_of
from muniment.service.operations.profile_test import NO_PIN
from muniment.sources.endpoint import Event, ServerEndpoint
from muniment.sources.factory import open_source

log = logging.getLogger("muniment.notify")

SEEN, UNSEEN = 86400.0, 3600.0
"""Seconds between two requests for a server's certificate: after a success, and after a failure."""
TIMEOUT = 30.0
"""Longest time of a network operation, in seconds."""
UNSENT = "-"
"""A placeholder for the password, which is never sent."""
OWN = "the embedded gateway"


class CertificateWatch:
    """The expiry of the certificates that a vault depends on. Call `look` from one thread only."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        """`folder` is the vault's; `clock` gives seconds since 1970 UTC."""
        self._folder = folder
        self._clock = clock
        self._expires: dict[str, float | None] = {}
        self._again: dict[str, float] = {}

    def known(self, settings: Settings) -> Mapping[str, float | None]:
        """When each certificate expires, seconds since 1970 UTC, by `host:port` or OWN; None if not known."""
        known = {name: self._expires.get(name) for name in self._endpoints(settings)}
        if settings.gateway.certificate:
            known[OWN] = expiry(self._folder / settings.gateway.certificate)
        return known

    def look(self, settings: Settings | None) -> None:
        """Request the certificates that are due again, if [notify] would report them. Waits for the
        servers."""
        notify = settings and settings.notify
        if not settings or not notify or not (notify.mail.host or notify.urls or notify.command.run):
            return
        for name, endpoint in self._endpoints(settings).items():
            if notify.certificate_days and self._again.get(name, 0.0) <= self._clock():
                found = shown(endpoint)
                if found is not None or name not in self._expires:
                    self._expires[name] = found
                self._again[name] = self._clock() + (UNSEEN if found is None else SEEN)

    def _endpoints(self, settings: Settings) -> dict[str, ServerEndpoint]:
        """The servers that enabled profiles use with TLS, by address; without public ones such as Graph."""
        found = {}
        for profile in settings.profiles:
            kind = KIND[profile.source]
            if profile.enabled and kind.server and not kind.host:
                with suppress(MunimentError):
                    endpoint = self._endpoint(profile)
                    if endpoint.secured_by != "none":
                        found[endpoint.address] = endpoint
        return found

    def _endpoint(self, profile: Profile) -> ServerEndpoint:
        endpoint = endpoint_of(profile, self._folder, UNSENT)
        assert isinstance(endpoint, ServerEndpoint)
        return replace(endpoint, timeout=min(endpoint.timeout, TIMEOUT))


def shown(endpoint: ServerEndpoint) -> float | None:
    """When a server's certificate expires, seconds since 1970 UTC; None if the server presents none.

    No name or password is sent: the certificate is refused as soon as it is seen.
    """
    seen: list[bytes] = []

    def on_event(event: Event) -> None:
        if isinstance(event, LineSecured):
            seen.append(event.certificate)

    with (
        suppress(SourceError),
        closing(
            open_source(replace(endpoint, fingerprint=NO_PIN, ca_file="", on_event=on_event), sleep=_once)
        ) as source,
    ):
        source.connect()
    return _expiry(seen[0], pem=False) if seen else None


def _once(seconds: float) -> None:
    raise SourceError("The certificate is requested only once.")


def expiry(path: Path) -> float | None:
    """When the first certificate in a PEM file expires, seconds since 1970 UTC; None if it can't be read."""
    try:
        return _expiry(path.read_bytes(), pem=True)
    except OSError:
        return None


def _expiry(data: bytes, pem: bool) -> float | None:
    from cryptography import x509

    try:
        read = x509.load_pem_x509_certificate if pem else x509.load_der_x509_certificate
        return read(data).not_valid_after_utc.timestamp()
    except ValueError:
        return None
