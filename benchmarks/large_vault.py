"""A vault of many small invented messages. It is made in steps: after a stop, the next call goes on."""

from __future__ import annotations

import base64
import json
import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from email.utils import formatdate
from functools import cache
from pathlib import Path
from unittest import mock

from benchmarks.corpus import DOMAIN, EOL, TENANT, Corpus
from muniment import api
from muniment.client.client import Client
from muniment.service.dispatch.engine import connect

DAY = 86_400
STEP = 10_000
"""As many messages are made again after a stop."""
OLD, YOUNG = 400, 40
"""Days ago when the messages came: those that are disposed of, and the others."""
PEOPLE = 200
SHARED_FILES = 50
SEED = 23
MARK = "disposable"
"""A word of the messages that are disposed of, and of no other."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class LargeVault:
    """Where such a vault is, and how large it shall be."""

    folder: Path
    count: int
    old: int
    """The first messages, which came so long ago that a rule disposes of them."""
    step: int = STEP
    """Messages that one run archives."""

    @property
    def vault(self) -> Path:
        """The vault's folder."""
        return self.folder / f"made-{self.count}-{self.old}"

    def make(self, say: Say) -> None:
        """Make what is missing of it. It may be interrupted at any time, and called again."""
        state = self.vault.with_suffix(".json")
        if not state.exists():
            shutil.rmtree(self.vault, ignore_errors=True)
            self.vault.mkdir(parents=True, mode=0o700)
        client = Client(connect(self.vault))
        if not (self.vault / "vault.toml").exists():
            client.call(api.Init(domains=(DOMAIN,)), api.Done)
        done = int(json.loads(state.read_text())["done"]) if state.exists() else 0
        began, first = time.monotonic(), done
        with closing(client):
            for start, end in self._steps(done):
                self._archive(client, start, end)
                state.write_text(json.dumps({"done": end}))
                rate = (end - first) / (time.monotonic() - began)
                say(f"{end:,} of {self.count:,} messages are archived, {rate:.0f} a second, "
                    f"{(self.count - end) / rate / 60:.0f} minutes left")  # fmt: skip

    def _steps(self, done: int) -> Iterator[tuple[int, int]]:
        while done < self.count:
            limit = self.old if done < self.old else self.count
            yield done, min(done + self.step, limit)
            done = min(done + self.step, limit)

    def _archive(self, client: Client, start: int, end: int) -> None:
        box = self.folder / "step.mbox"
        with box.open("wb") as file:
            for report in self.reports(start, end):
                file.write(b"From - Thu Jan  1 00:00:00 1970\n" + report.replace(b"\r\n", b"\n") + b"\n\n")
        name = f"step-{start:08d}"
        fields = {"source": "mbox", "path": str(box), "journal": True, "enabled": False}
        names = [one.name for one in client.call(api.ListProfiles(), api.Profiles).profiles]
        client.call(api.PutProfile(name=name, fields=fields, new=name not in names), api.Done)
        days = OLD if start < self.old else YOUNG
        then = time.time_ns() - days * DAY * 1_000_000_000
        with mock.patch.object(time, "time_ns", return_value=then):
            *_, summary = client.stream(api.Run(profile=name))
        assert isinstance(summary, api.RunSummary)
        if summary.state != "ok":
            raise RuntimeError(f"the run ended {summary.state}: {summary.error}")
        client.call(api.RemoveProfile(name=name), api.Done)
        box.unlink()

    def reports(self, start: int, end: int) -> Iterator[bytes]:
        """The reports from a number to another: the same bytes each time."""
        words, files = _words(), _files()
        for number in range(start, end):
            yield _report(number, words, files, MARK if number < self.old else "")


@cache
def _words() -> list[str]:
    return Corpus(SEED, attachments=1).words[:20_000]


@cache
def _files() -> list[bytes]:
    return [random.Random(number).randbytes(3_000) for number in range(SHARED_FILES)]


def _report(number: int, words: list[str], files: list[bytes], mark: str) -> bytes:
    rng = random.Random(f"{SEED}-{number}")
    sender, *others = (f"p{rng.randrange(PEOPLE)}@{DOMAIN}" for _ in range(rng.choice((2, 2, 3))))
    subject = " ".join(rng.choices(words[:3_000], k=4))
    text = EOL.join(" ".join(rng.choices(words, k=12)) for _ in range(rng.randrange(4, 20)))
    ident, stamp = f"<{number}.{rng.getrandbits(64):x}@{DOMAIN}>", formatdate(1_700_000_000 + number)
    head = [f"From: {sender}", f"To: {', '.join(others)}", f"Subject: {subject}", f"Date: {stamp}",
            f"Message-ID: {ident}", "MIME-Version: 1.0"]  # fmt: skip
    body = f"{text}{EOL}{mark} letter {number}{EOL}"
    inner = _with_file(head, body, rng.choice(files)) if rng.random() < 0.1 else _plain(head, body)
    edge = "_report-of-the-benchmark_"
    lines = [
        f"Sender: <{TENANT}>", f"From: {sender}", "X-MS-Journal-Report:", "MIME-Version: 1.0",
        f'Content-Type: multipart/mixed; boundary="{edge}"', "", f"--{edge}", "Content-Type: text/plain", "",
        f"Sender: {sender}", f"Subject: {subject}", f"Message-Id: {ident}",
        *(f"Recipient: {one}" for one in others), "", f"--{edge}", "Content-Type: message/rfc822", "", "",
    ]  # fmt: skip
    return (EOL.join(lines) + inner + f"{EOL}--{edge}--{EOL}").encode()


def _plain(head: list[str], body: str) -> str:
    return EOL.join([*head, "Content-Type: text/plain; charset=utf-8", "", body])


def _with_file(head: list[str], body: str, file: bytes) -> str:
    lines = base64.encodebytes(file).decode().replace("\n", EOL)
    parts = ["--_part_", "Content-Type: text/plain; charset=utf-8", "", body, "--_part_",
             'Content-Type: application/octet-stream; name="figures.bin"',
             'Content-Disposition: attachment; filename="figures.bin"',
             "Content-Transfer-Encoding: base64", "", lines, "--_part_--", ""]  # fmt: skip
    return EOL.join([*head, 'Content-Type: multipart/mixed; boundary="_part_"', "", *parts])
