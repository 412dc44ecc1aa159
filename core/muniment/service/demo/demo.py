"""`muniment demo`: sends sample journal mail over SMTP, archives it, searches it, and verifies the vault.

At the end, the content of the vault is compared with what was sent.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from muniment import api
from muniment.api import WireWord
from muniment.client.client import Client
from muniment.errors import RunFailed
from muniment.gateway.smtp import GatewaySettings, SmtpGateway
from muniment.net.smtp import SmtpClient
from muniment.service.demo.samples import (
    COMPANY,
    COUNT,
    DOMAIN,
    JOURNAL,
    SampleTruth,
    samples,
    truth,
    users_csv,
)
from muniment.service.dispatch.engine import connect
from muniment.service.host.profile_source import SPOOL

PROFILE = "spool"


def run_demo(vault: Path, count: int = COUNT) -> Iterator[WireWord]:
    """Create a vault, archive sample mails in it, and show the result.

    Args:
        vault: the folder of the new vault.
        count: the number of mails.

    Returns:
        Replies, as described at muniment.cli.engine_port.EngineDoors.demo.

    Raises:
        MunimentError: a step failed.
        RunFailed: the vault does not contain what was sent; the sentence names the differences.
    """
    client = Client(connect(vault))
    expected, found = truth(count), _Found()
    try:
        yield from _prepare(client, vault)
        yield from _send(vault, count)
        yield from found.watching(_run(client))
        yield from found.watching(_look(client, expected))
        yield from found.watching(_verify(client))
    finally:
        client.close()
    differences = found.differences(expected)
    if differences:
        raise RunFailed("The demo vault does not contain what was sent: " + "; ".join(differences) + ".")
    yield api.Done(message="Each message that was sent is stored once, filed, found and verified.")


# --- steps ----------------------------------------------------------------------------------------


def _prepare(client: Client, vault: Path) -> Iterator[WireWord]:
    yield api.Step(text=f"A new vault in {vault}, for {COMPANY} ({DOMAIN}).")
    client.call(api.Init(domains=(DOMAIN,), name=COMPANY, demo=True), api.Done)
    client.call(api.ImportUsers(text=users_csv(), filename="people.csv"), api.Done)
    client.call(
        api.PutProfile(name=PROFILE, fields={"source": "spool", "enabled": False}, new=True), api.Done
    )


def _send(vault: Path, count: int) -> Iterator[WireWord]:
    yield api.Step(
        text=f"An embedded gateway on this machine receives {count:,} mails over SMTP for {JOURNAL}."
    )
    started = time.monotonic()
    with SmtpGateway(_settings(vault / SPOOL)) as gateway:
        size = _deliver(gateway.port, count)
    seconds = time.monotonic() - started
    yield api.Step(
        text=f"{size / 1e6:.1f} MB sent in {seconds:.1f} s; the gateway answered each mail with 250 "
        "once it was safe on disk."
    )


def _settings(spool: Path) -> GatewaySettings:
    """Settings of a gateway that listens only on this machine, at a free port."""
    return GatewaySettings(spool=spool, addresses=(JOURNAL,), host="127.0.0.1", port=0, hostname="localhost")


def _deliver(port: int, count: int) -> int:
    """Send all samples over one connection; returns their size in bytes."""
    size = 0
    with SmtpClient("127.0.0.1", port, seconds=30, whole=3600) as smtp:
        for sample in samples(count):
            smtp.sendmail(sample.sender, [JOURNAL], sample.data, mail_options=["BODY=8BITMIME"])
            size += len(sample.data)
    return size


def _run(client: Client) -> Iterator[WireWord]:
    yield api.Step(text="One run fetches, unwraps, files and indexes them, and empties the gateway's spool.")
    yield from client.stream(api.Run(profile=PROFILE))


def _look(client: Client, expected: SampleTruth) -> Iterator[WireWord]:
    yield api.Step(text="Every person has an Inbox and a Sent; each message is stored once.")
    yield client.call(api.GetTree(), api.Tree)
    for query in expected.searches:
        started = time.monotonic()
        hits = client.call(api.Search(query=query), api.Hits)
        taken = (time.monotonic() - started) * 1000
        yield api.Step(text=f"Search: {query}  ({taken:.0f} ms)")
        yield hits


def _verify(client: Client) -> Iterator[WireWord]:
    yield api.Step(text="Verify: each byte is hashed again, and the chain of the ledger is checked.")
    for reply in client.stream(api.Verify(deep=True)):
        if isinstance(reply, api.Verified):
            yield reply


# --- comparison -----------------------------------------------------------------------------------


class _Found:
    """What the replies say about the content of the vault."""

    def __init__(self) -> None:
        self._run: api.RunSummary | None = None
        self._tree: dict[str, dict[str, int]] = {}
        self._hits: list[int] = []
        self._verified: api.Verified | None = None

    def watching(self, replies: Iterator[WireWord]) -> Iterator[WireWord]:
        """Pass replies on, and remember what they say."""
        for reply in replies:
            if isinstance(reply, api.RunSummary):
                self._run = reply
            elif isinstance(reply, api.Tree):
                self._tree = {u.user: {f.name: f.count for f in u.folders} for u in reply.users}
            elif isinstance(reply, api.Hits):
                self._hits.append(reply.total)
            elif isinstance(reply, api.Verified):
                self._verified = reply
            yield reply

    def differences(self, expected: SampleTruth) -> list[str]:
        """A text for each difference from the truth; empty if there is none."""
        seen = {**self._books(), **self._folders(), **self._searches(expected), **self._proof()}
        due = {
            **_due_books(expected),
            **_due_folders(expected),
            **expected.searches,
            "messages proven": expected.messages,
        }
        return [
            f"{name}: {due.get(name, 0)} expected, {seen.get(name, 0)} found"
            for name in dict.fromkeys((*due, *seen))
            if due.get(name, 0) != seen.get(name, 0)
        ]

    def _books(self) -> dict[str, int]:
        run = self._run
        if run is None or run.state != "ok" or not run.balanced:
            return {}
        return {name: getattr(run, name) for name in ("fetched", "new", "merged", "quarantined", "deleted")}

    def _folders(self) -> dict[str, int]:
        return {f"{user}/{name}": n for user, folders in self._tree.items() for name, n in folders.items()}

    def _searches(self, expected: SampleTruth) -> dict[str, int]:
        return dict(zip(expected.searches, self._hits, strict=False))

    def _proof(self) -> dict[str, int]:
        proof = self._verified
        return {"messages proven": proof.messages} if proof is not None and proof.ok else {}


def _due_books(expected: SampleTruth) -> dict[str, int]:
    return {
        "fetched": expected.reports,
        "new": expected.messages,
        "merged": expected.merged,
        "quarantined": expected.quarantined,
        "deleted": expected.reports,
    }


def _due_folders(expected: SampleTruth) -> dict[str, int]:
    due = {"catch-all/Inbox": expected.catch_all}
    for user, counts in expected.users.items():
        due |= {f"{user}/Inbox": counts.inbox, f"{user}/Sent": counts.sent}
    return due
