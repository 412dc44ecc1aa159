"""When certificates expire: those that mail servers show, and the embedded gateway's own."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

from muniment.config.model import Profile, Settings
from muniment.errors import MunimentError, SourceError
from muniment.profiles.fields import KIND
from muniment.service.host.profile_source import endpoint_of
from muniment.service.operations.profile_test import NO_PIN
from muniment.sources.endpoint import Endpoint, Event, Secured
from muniment.sources.factory import open_source

log = logging.getLogger("muniment.notify")

SEEN, UNSEEN = 86400.0, 3600.0
"""Seconds until a server is asked again: after it has shown its certificate, and after it has not."""
TIMEOUT = 30.0
"""Seconds a network operation may take."""
UNSENT = "-"
"""Stands for the password, since none is sent."""
OWN = "the embedded gateway"


class Certificates:
    """What is known of the certificates that a vault's mail depends on. `look` belongs to one thread."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        """`folder` is the vault's."""
        self._folder = folder
        self._clock = clock
        self._expires: dict[str, float | None] = {}
        self._again: dict[str, float] = {}

    def known(self, settings: Settings) -> Mapping[str, float | None]:
        """When each expires, seconds since 1970 UTC, by the server's `host:port`; None where not known."""
        told = {name: self._expires.get(name) for name in self._endpoints(settings)}
        if settings.gateway.certificate:
            told[OWN] = expiry(self._folder / settings.gateway.certificate)
        return told

    def look(self, settings: Settings | None) -> None:
        """Ask the servers that were not asked for long, where somebody would be told. May wait for them."""
        notify = settings and settings.notify
        if not settings or not notify or not (notify.mail.host or notify.urls or notify.command.run):
            return
        for name, endpoint in self._endpoints(settings).items():
            if notify.certificate_days and self._again.get(name, 0.0) <= self._clock():
                found = shown(endpoint)
                if found is not None or name not in self._expires:
                    self._expires[name] = found
                self._again[name] = self._clock() + (UNSEEN if found is None else SEEN)

    def _endpoints(self, settings: Settings) -> dict[str, Endpoint]:
        """The servers that enabled profiles reach over TLS, by address; not those that serve everybody."""
        found = {}
        for profile in settings.profiles:
            kind = KIND[profile.source]
            if profile.enabled and kind.server and not kind.host:
                with suppress(MunimentError):
                    endpoint = self._endpoint(profile)
                    if endpoint.secured_by != "none":
                        found[endpoint.address] = endpoint
        return found

    def _endpoint(self, profile: Profile) -> Endpoint:
        endpoint = endpoint_of(profile, self._folder, UNSENT)
        return replace(endpoint, timeout=min(endpoint.timeout, TIMEOUT))


def shown(endpoint: Endpoint) -> float | None:
    """When the certificate that a server shows expires, seconds since 1970 UTC; None where it shows none.

    Neither name nor password is sent: the certificate is refused as soon as it was seen.
    """
    seen: list[bytes] = []

    def on_event(event: Event) -> None:
        if isinstance(event, Secured):
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
    raise SourceError("A certificate is looked at once.")


def expiry(path: Path) -> float | None:
    """When the first certificate in a PEM file expires, seconds since 1970 UTC; None: can't be read."""
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
