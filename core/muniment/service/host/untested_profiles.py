"""Which profiles may not run by themselves yet: those that were saved without a test.

A profile that reaches the wrong mailbox, with deletion on, must not begin to run by itself because somebody
pressed Save. So one that is new, or whose way to its mailbox has changed, is marked `untested` in vault.toml.
The schedule skips it until a test or a run of it succeeds, or a person enables it. The mark holds it back,
not the lack of one: a vault.toml that a person wrote runs as it says, and nothing that is lost stops a
profile that runs.
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
from muniment.profiles.fields import KIND

log = logging.getLogger("muniment.service")

MARK = "untested"
WAY = (
    "source", "host", "port", "mailbox", "mailboxes", "access", "password", "directory", "client_id",
    "certificate", "authority", "security", "fingerprint", "ca_file", "path", "folder", "folders", "exclude",
)  # fmt: skip
"""The fields that say which mailbox is reached, how, and as whom."""
TRIES = 3
_KEY = secrets.token_bytes(32)
_REMEMBERED = 100


def way_of(profile: Profile, password: str = "") -> bytes:
    """What tells one way to a mailbox from another; the key of the hash is a secret of this process.

    `password` is one that was typed and is not kept anywhere yet.
    """
    fields = {name: value for name, value in msgspec.to_builtins(profile).items() if name in WAY}
    if password:
        fields["password"] = password.encode("utf-8", "backslashreplace").decode()
    value = msgspec.json.encode([fields, profile.auth_by, profile.delete_on], order="sorted")
    return hmac.digest(_KEY, value, hashlib.sha256)


class Drafts:
    """Profiles that were tested before they were saved. For any thread; forgotten with the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ways: OrderedDict[bytes, None] = OrderedDict()

    def passed(self, profile: Profile, password: str) -> None:
        """A test of it went well. What works with deletion on works with it off."""
        with self._lock:
            for delete in (profile.delete_on, False):
                self._ways[way_of(msgspec.structs.replace(profile, delete=delete), password)] = None
            while len(self._ways) > _REMEMBERED:
                self._ways.popitem(last=False)

    def tested(self, profile: Profile, password: str) -> bool:
        """Whether a test of just this went well."""
        with self._lock:
            return way_of(profile, password) in self._ways


drafts = Drafts()


def needs_test(before: Profile | None, after: Profile, password: str = "") -> bool:
    """Whether a profile would be saved untested: it is new, its way changed, or it was untested before."""
    if not (KIND[after.source].server or KIND[after.source].files):
        return False  # the vault's own spool can't be a wrong one
    if drafts.tested(after, password):
        return False
    return before is None or before.untested or bool(password) or _changed(before, after)


def _changed(before: Profile, after: Profile) -> bool:
    """Whether another mailbox is reached, in another way, or what is kept is deleted there now."""
    kept = msgspec.structs.replace(before, delete=before.delete_on and after.delete_on)
    return way_of(kept) != way_of(after)


def marked(
    before: Profile | None, fields: Mapping[str, Any], name: str, password: str = ""
) -> dict[str, Any]:
    """The fields of PutProfile, and the mark where it is due.

    `fields` are those that change; None takes one out. `enabled` among them is a person's word.

    Raises:
        ConfigError: a field's value is of the wrong type.
    """
    wanted = {key: value for key, value in fields.items() if key != MARK}
    old = msgspec.to_builtins(before) if before else {}
    merged = {key: value for key, value in (old | wanted).items() if key != "name"}
    after = profile_of(name, merged, checked=False)
    said = "enabled" in wanted and after.enabled and (before is not None or wanted["enabled"] is True)
    held = needs_test(before, after, password) and not said
    if held:
        return wanted | {MARK: True}
    return wanted | {MARK: None} if before and before.untested else wanted


def release(settings: Path, profile: Profile) -> bool:
    """Take the mark from a profile that has passed a test or a run; returns whether it bore one.

    A profile that reaches another mailbox by now keeps it. Where vault.toml can't be written, that is logged.
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
            log.warning("profile %s was tested, but vault.toml can't say so: %s", profile.name, error)
            return False
    return False
