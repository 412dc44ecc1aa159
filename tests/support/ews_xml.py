"""The XML of the Exchange double, by Microsoft's public schema."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from support.ews_mailboxes import Folder, Mail

T = "http://schemas.microsoft.com/exchange/services/2006/types"
M = "http://schemas.microsoft.com/exchange/services/2006/messages"
E = "http://schemas.microsoft.com/exchange/services/2006/errors"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
NS = {"t": T, "m": M, "s": SOAP}
HEAD = (
    f'<s:Header><h:ServerVersionInfo xmlns:h="{T}" MajorVersion="15" MinorVersion="2" '
    'MajorBuildNumber="1118" MinorBuildNumber="7" Version="V2017_07_11"/></s:Header>'
)


def above(folder: Folder) -> list[Folder]:
    found = []
    while folder.parent is not None:
        folder = folder.parent
        found.append(folder)
    return found


def page_of(things: list[Any], view: Any) -> tuple[list[Any], str]:
    offset, count = int(view.get("Offset")), int(view.get("MaxEntriesReturned"))
    end = min(len(things), offset + count)
    last = str(end == len(things)).lower()
    root = f'IndexedPagingOffset="{end}" TotalItemsInView="{len(things)}" IncludesLastItemInRange="{last}"'
    return things[offset:end], root


def folder_xml(folder: Folder) -> str:
    parent = folder.parent.id if folder.parent else folder.id
    kind = "" if folder.kind is None else f"<t:FolderClass>{folder.kind}</t:FolderClass>"
    return (
        f'<t:Folder><t:FolderId Id={quoteattr(folder.id)} ChangeKey="AQAAABYA"/>'
        f'<t:ParentFolderId Id={quoteattr(parent)} ChangeKey="AQAAAA=="/>{kind}'
        f"<t:DisplayName>{named(folder.name)}</t:DisplayName>"
        f"<t:TotalCount>{len(folder.items)}</t:TotalCount><t:ChildFolderCount>0</t:ChildFolderCount></t:Folder>"
    )


def named(name: str) -> str:
    """A name; control characters are written like Exchange does, against the rules of XML."""
    return "".join(f"&#x{ord(c):X};" if ord(c) < 32 else c for c in escape(name))


def item_xml(mail: Mail) -> str:
    date = datetime.fromtimestamp(mail.received, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        f'<t:{mail.tag}><t:ItemId Id={quoteattr(mail.id)} ChangeKey="CQAAABYA{mail.seq}"/>'
        f"<t:DateTimeReceived>{date}</t:DateTimeReceived><t:Size>{len(mail.content)}</t:Size></t:{mail.tag}>"
    )


def state_of(state: str, folder: Folder) -> int | None:
    """The number of the last change in a state of synchronisation; None for a state of another folder."""
    if not state:
        return 0
    try:
        of, number = base64.b64decode(state).decode().split("\n")
    except ValueError:
        return None
    return int(number) if of == folder.id else None


def envelope(body: Iterable[bytes]) -> list[bytes]:
    begin = f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{SOAP}">{HEAD}<s:Body>'
    return [begin.encode(), *body, b"</s:Body></s:Envelope>"]


def fault(code: str, more: str = "") -> list[bytes]:
    return [
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{SOAP}"><s:Body><s:Fault>'
        f'<faultcode xmlns:a="{T}">a:{code}</faultcode><faultstring xml:lang="en-US">{code}</faultstring>'
        f'<detail xmlns:e="{E}"><e:ResponseCode>{code}</e:ResponseCode><e:Message>{code}</e:Message>{more}'
        "</detail></s:Fault></s:Body></s:Envelope>".encode()
    ]


def busy(milliseconds: int) -> list[bytes]:
    stated = f'<t:Value Name="BackOffMilliseconds">{milliseconds}</t:Value>' if milliseconds else ""
    return fault("ErrorServerBusy", f'<t:MessageXml xmlns:t="{T}">{stated}</t:MessageXml>')


def send(handler: Any, status: int, body: bytes, headers: dict[str, str]) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
