"""Makes documents of many kinds by hand, and reads the attachments of a vault to their end."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from xml.sax.saxutils import escape

from muniment.archive.vault.open_vault import open_vault
from muniment.config.file import load
from muniment.config.model import Settings
from muniment.contents.client import ContentsReader
from muniment.contents.model import ReadFile, WantedContents
from muniment.parsing.reader import OpenMail
from muniment.service.contents.keeper import PAGE, ContentsKeeper
from muniment.service.host.run_host import RunHost
from muniment.service.host.session import ClientSession
from support.reports import plain

_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def packed(members: Mapping[str, bytes | str]) -> bytes:
    """A ZIP with these members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def docx(*paragraphs: str, more: Mapping[str, bytes | str] | None = None) -> bytes:
    """A document of Word with these paragraphs; `more` are further parts of it."""
    body = "".join(f"<w:p><w:r><w:t>{escape(text)}</w:t></w:r></w:p>" for text in paragraphs)
    document = f'<?xml version="1.0"?><w:document xmlns:w="{_WORD}"><w:body>{body}</w:body></w:document>'
    types = '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
    return packed({"[Content_Types].xml": types, "word/document.xml": document, **(more or {})})


def read_files(
    attachments: Mapping[str, bytes],
    wanted: WantedContents | None = None,
    reader: ContentsReader | None = None,
) -> tuple[ReadFile, ...]:
    """What the worker reads in a message with these attachments; a worker of its own, if none is given."""
    mail = OpenMail(plain(attachments=attachments.items()))
    if reader is not None:
        return reader.read(mail, wanted or WantedContents())
    with closing(ContentsReader()) as own:
        return own.read(mail, wanted or WantedContents())


@contextmanager
def keeping(folder: Path, reader: ContentsReader | None = None, page: int = PAGE) -> Iterator[ContentsKeeper]:
    """What reads the attachments of a vault, which is open as in a service. Nothing is read by itself."""
    with closing(open_vault(folder, write=True)) as vault:
        session = ClientSession(folder, vault)
        with closing(RunHost(session, in_service=True)) as host, closing(reader or ContentsReader()) as own:

            def settings() -> Settings:
                return load(folder / "vault.toml")

            yield ContentsKeeper(session, host, settings, page=page, reader=own)


def read_all(folder: Path, reader: ContentsReader | None = None, page: int = PAGE) -> int:
    """Read the attachments of all messages of a vault that wait, as a service does; returns their number."""
    with keeping(folder, reader, page) as keeper:
        done = 0
        while more := keeper.read_page():
            done += more
        return done
