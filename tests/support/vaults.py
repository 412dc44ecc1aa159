"""A vault for tests: made, filled and queried by the engine's own requests."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from muniment import api
from muniment.client.client import Client
from muniment.service.dispatch.engine import connect

_COUNTER = itertools.count()


class TestVault:
    """A vault in a folder. Its sources are maildirs unless a profile says otherwise."""

    __test__ = False

    def __init__(self, folder: Path, domains: tuple[str, ...] = ("example.com",)) -> None:
        self.folder = folder
        self.client = Client(connect(folder))
        if not (folder / "vault.toml").exists():
            self.client.call(api.Init(domains=domains), api.Done)

    def profile(self, name: str, **fields: Any) -> None:
        """Add a profile. The schedule runs it, tested or not, unless `enabled` says otherwise."""
        fields = {"enabled": True} | fields
        self.client.call(api.PutProfile(name=name, fields=fields, new=True), api.Done)

    def maildir(self, name: str = "", **fields: Any) -> Path:
        """Add a profile with its own maildir. Returns the maildir's folder for new mail."""
        path = self.folder.parent / f"maildir-{next(_COUNTER)}"
        for part in ("new", "cur", "tmp"):
            (path / part).mkdir(parents=True)
        self.profile(name or path.name, source="maildir", path=str(path), **fields)
        return path / "new"

    def archive(self, messages: Iterable[bytes], **fields: Any) -> api.RunSummary:
        """Archive messages from a new maildir."""
        new = self.maildir(**fields)
        put(new, messages)
        return self.run(new.parent.name)

    def run(self, profile: str) -> api.RunSummary:
        """Run a profile to its end."""
        *_, summary = self.client.stream(api.Run(profile=profile))
        assert isinstance(summary, api.RunSummary)
        return summary

    def tree(self) -> dict[str, dict[str, int]]:
        """Counts by user and folder."""
        tree = self.client.call(api.GetTree(), api.Tree)
        return {user.user: {folder.name: folder.count for folder in user.folders} for user in tree.users}

    def search(self, query: str, user: str = "") -> list[api.Hit]:
        """The result of a query, at most 1,000 hits."""
        return list(self.client.call(api.Search(query=query, user=user, limit=1000), api.Hits).hits)

    def messages(self) -> list[api.Hit]:
        """Every message of the vault."""
        return self.search("")

    def raw(self, id_: str) -> bytes:
        """A message's exact bytes."""
        return self._bytes(api.ReadRaw(id=id_))

    def report(self, id_: str, number: int = 1) -> bytes:
        """The exact bytes of one of a message's reports."""
        return self._bytes(api.ReadRaw(id=id_, what="report", report=number))

    def quarantined(self, id_: str) -> bytes:
        """A quarantined item's exact bytes."""
        return self._bytes(api.ReadRaw(id=id_, what="quarantine"))

    def _bytes(self, request: api.ReadRaw) -> bytes:
        chunks = [word for word in self.client.stream(request) if isinstance(word, api.Chunk)]
        return b"".join(chunk.data for chunk in chunks)

    def show(self, id_: str) -> api.Message:
        """A message to read."""
        return self.client.call(api.Show(id=id_), api.Message)

    def status(self) -> api.Status:
        """The state of the vault."""
        return self.client.call(api.GetStatus(), api.Status)

    def verify(self, deep: bool = True) -> api.Verified:
        """The result of a verification."""
        *_, verified = self.client.stream(api.Verify(deep=deep))
        assert isinstance(verified, api.Verified)
        return verified

    def rebuild(self, catalog: bool = True, index: bool = True, *, accept_damage: bool = False) -> None:
        """Rebuild the projections."""
        request = api.Rebuild(catalog=catalog, index=index, accept_damage=accept_damage)
        for _ in self.client.stream(request):
            pass

    def sound(self) -> None:
        """Assert that a deep verification finds nothing."""
        assert self.verify().problems == ()


def put(new: Path, messages: Iterable[bytes]) -> None:
    """Put messages into a maildir's folder."""
    for message in messages:
        (new / f"{next(_COUNTER):08d}.test").write_bytes(message)
