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


def folder_xml(folder: Folder, fields: frozenset[str]) -> str:
    """A folder's id, and the properties that were asked for."""
    parent = folder.parent.id if folder.parent else folder.id
    kind = "" if folder.kind is None else f"<t:FolderClass>{folder.kind}</t:FolderClass>"
    shown = {
        "folder:ParentFolderId": f'<t:ParentFolderId Id={quoteattr(parent)} ChangeKey="AQAAAA=="/>',
        "folder:FolderClass": kind,
        "folder:DisplayName": f"<t:DisplayName>{named(folder.name)}</t:DisplayName>",
        "folder:TotalCount": f"<t:TotalCount>{len(folder.items)}</t:TotalCount>",
    }
    inside = "".join(text for name, text in shown.items() if name in fields)
    return f'<t:Folder><t:FolderId Id={quoteattr(folder.id)} ChangeKey="AQAAABYA"/>{inside}</t:Folder>'


def named(name: str) -> str:
    """A name; control characters are written like Exchange does, against the rules of XML."""
    return "".join(f"&#x{ord(c):X};" if ord(c) < 32 else c for c in escape(name))


def item_xml(mail: Mail, fields: frozenset[str]) -> str:
    """An item's id, and the properties that were asked for."""
    date = datetime.fromtimestamp(mail.received, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    shown = {
        "item:DateTimeReceived": f"<t:DateTimeReceived>{date}</t:DateTimeReceived>",
        "item:Size": f"<t:Size>{len(mail.content)}</t:Size>",
    }
    inside = "".join(text for name, text in shown.items() if name in fields)
    id_ = f'<t:ItemId Id={quoteattr(mail.id)} ChangeKey="CQAAABYA{mail.seq}"/>'
    return f"<t:{mail.tag}>{id_}{inside}</t:{mail.tag}>"


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


def back_off(milliseconds: int) -> str:
    """How long a busy server asks to wait; 0 for no time."""
    stated = f'<t:Value Name="BackOffMilliseconds">{milliseconds}</t:Value>' if milliseconds else ""
    return f'<t:MessageXml xmlns:t="{T}">{stated}</t:MessageXml>'
