"""Profiles that were saved without a test: the service does not run them yet.

A profile that reaches the wrong mailbox, with deletion on, must not run on schedule just because it was
saved. So a profile that is new, or that reaches its mailbox in another way, is marked `untested` in
vault.toml. The schedule skips it until a test or a run of it succeeds, or a person enables it. Only the mark
stops it: a profile that a person wrote into vault.toml has none, and runs.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from muniment.config.edit import put_profile
from muniment.config.file import interpret, profile_of, read, version_of
from muniment.config.model import Profile
from muniment.errors import MunimentError, SettingsChanged
from muniment.profiles.registry import KIND

log = logging.getLogger("muniment.service")

MARK = "untested"
WAY = (
    "source", "host", "port", "mailbox", "mailboxes", "access", "password", "directory", "client_id",
    "certificate", "authority", "security", "fingerprint", "ca_file", "path", "folder", "folders", "exclude",
)  # fmt: skip
"""The fields that decide which mailbox is reached, how, and as whom."""
TRIES = 3
"""Attempts to remove the mark while others change vault.toml."""
_KEY = secrets.token_bytes(32)
_REMEMBERED = 100


def way_of(profile: Profile, password: str = "") -> bytes:
    """A digest of how a profile reaches its mailbox, with a key that only this process has.

    `password` is a typed one that is not stored yet; "" for none.
    """
    fields = {name: value for name, value in profile.table().items() if name in WAY}
    if password:
        fields["password"] = password.encode("utf-8", "backslashreplace").decode()
    value = msgspec.json.encode([fields, profile.auth_by, profile.delete_on], order="sorted")
    return hmac.digest(_KEY, value, hashlib.sha256)


class UntestedProfiles:
    """Remembers profiles that were tested before they were saved, in memory. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ways: OrderedDict[bytes, None] = OrderedDict()

    def passed(self, profile: Profile, password: str) -> None:
        """Remember that a test of a profile succeeded. It then also counts for the profile without
        deletion."""
        with self._lock:
            for delete in (profile.delete_on, False):
                self._ways[way_of(msgspec.structs.replace(profile, delete=delete), password)] = None
            while len(self._ways) > _REMEMBERED:
                self._ways.popitem(last=False)

    def tested(self, profile: Profile, password: str) -> bool:
        """Whether a test of exactly this profile and password succeeded."""
        with self._lock:
            return way_of(profile, password) in self._ways


drafts = UntestedProfiles()


def needs_test(before: Profile | None, after: Profile, password: str = "") -> bool:
    """Whether a saved profile counts as untested: it is new, reaches its mailbox otherwise, or was untested.

    Args:
        before: the saved profile; None for a new one.
        after: the profile to save.
        password: a typed password; "" for none.
    """
    if not (KIND[after.source].server or KIND[after.source].files):
        return False  # the vault's own spool can't be the wrong mailbox
    if drafts.tested(after, password):
        return False
    return before is None or before.untested or bool(password) or _changed(before, after)


def _changed(before: Profile, after: Profile) -> bool:
    """Whether the profile reaches another mailbox, in another way, or deletes mail now and did not before."""
    kept = msgspec.structs.replace(before, delete=before.delete_on and after.delete_on)
    return way_of(kept) != way_of(after)


def marked(
    before: Profile | None, fields: Mapping[str, Any], name: str, password: str = ""
) -> dict[str, Any]:
    """The fields of PutProfile, with the mark set or removed as needed.

    Args:
        before: the saved profile; None for a new one.
        fields: the fields that change; None removes one. If a person sets `enabled`, no mark is needed.
        name: the profile's name.
        password: a typed password; "" for none.

    Raises:
        ConfigError: a field has a value of the wrong type.
    """
    wanted = {key: value for key, value in fields.items() if key != MARK}
    old = before.table() if before else {}
    merged = {key: value for key, value in (old | wanted).items() if key != "name"}
    after = profile_of(name, merged, checked=False)
    enabled_by_hand = (
        "enabled" in wanted and after.enabled and (before is not None or wanted["enabled"] is True)
    )
    if needs_test(before, after, password) and not enabled_by_hand:
        return wanted | {MARK: True}
    return wanted | {MARK: None} if before and before.untested else wanted


def release(settings: Path, profile: Profile) -> bool:
    """Remove the mark from a profile after a successful test or run; returns whether it was removed.

    The mark stays if the profile in vault.toml reaches another mailbox by now, or if vault.toml can't be
    written (which is logged).

    Args:
        settings: the path of vault.toml.
        profile: the profile that was tested.
    """
    if not profile.untested:
        return False
    for _ in range(TRIES):
        try:
            text = read(settings)
            found = [one for one in interpret(text, settings.name).profiles if one.name == profile.name]
            if not found or not found[0].untested or way_of(found[0]) != way_of(profile):
                return False
            put_profile(settings, profile.name, {MARK: None}, version=version_of(text))
            return True
        except SettingsChanged:
            continue
        except MunimentError as error:
            log.warning("profile %s was tested, but vault.toml could not be updated: %s", profile.name, error)
            return False
    return False
