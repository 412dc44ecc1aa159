"""The requests that the Exchange double knows: operations, elements, attributes and values.

Everything else is refused as unknown: a restriction, another order, another depth, another way to delete.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from support.ews_mailboxes import WELL_KNOWN
from support.ews_xml import NS, SOAP, M, T

MANY = 1000
FOLDER_FIELDS = ("folder:DisplayName", "folder:FolderClass", "folder:ParentFolderId", "folder:TotalCount")
ITEM_FIELDS = ("item:DateTimeReceived", "item:Size")


class UnknownRequest(Exception):
    """A request that the double does not know."""


@dataclass(frozen=True)
class Known:
    """An element that the double knows."""

    text: str = r"\s*"
    """What its text may be, as a regular expression."""
    attributes: dict[str, str] = field(default_factory=dict)
    """What its attributes may be; all can be omitted."""
    most: int = 1
    """How often its parent may have it."""


def _shape(name: str, *fields: str) -> dict[str, Known]:
    uri = Known(attributes={"FieldURI": "|".join(map(re.escape, fields))}, most=len(fields))
    return {
        name: Known(),
        f"{name}/BaseShape": Known("IdOnly"),
        f"{name}/AdditionalProperties": Known(),
        f"{name}/AdditionalProperties/FieldURI": uri,
    }


def _ids(name: str, kind: str, most: int) -> dict[str, Known]:
    return {name: Known(), f"{name}/{kind}": Known(attributes={"Id": ".+"}, most=most)}


def _well_known(name: str, most: int) -> dict[str, Known]:
    path = f"{name}/DistinguishedFolderId"
    names = "|".join(("msgfolderroot", *WELL_KNOWN))
    return {
        path: Known(attributes={"Id": names}, most=most),
        f"{path}/Mailbox": Known(),
        f"{path}/Mailbox/EmailAddress": Known(".+"),
        f"{path}/Mailbox/RoutingType": Known("SMTP"),
        f"{path}/Mailbox/MailboxType": Known("Mailbox"),
    }


_TOKEN_URI = {"DistinguishedPropertySetId": "PublicStrings", "PropertyName": r"\w+", "PropertyType": "String"}
_TAG_URI = {"PropertyTag": r"0x[0-9a-f]{4}", "PropertyType": "Integer|SystemTime|String"}
_MADE = "Items/Message"
_WANTED = "Restriction/IsEqualTo"
_NUMBER = r"\d{1,9}"
_PERSON = "ExchangeImpersonation/ConnectingSID"
_ADDRESS = "s:Header/t:ExchangeImpersonation/t:ConnectingSID/t:PrimarySmtpAddress"
_HEADER = {
    "RequestServerVersion": Known(attributes={"Version": "Exchange2013_SP1"}),
    "ExchangeImpersonation": Known(),
    _PERSON: Known(),
    f"{_PERSON}/PrimarySmtpAddress": Known(".+"),
}
OPERATIONS: dict[str, tuple[Known, dict[str, Known]]] = {
    "GetFolder": (
        Known(),
        _shape("FolderShape", *FOLDER_FIELDS)
        | _ids("FolderIds", "FolderId", MANY)
        | _well_known("FolderIds", MANY),
    ),
    "FindFolder": (
        Known(attributes={"Traversal": "Deep"}),
        _shape("FolderShape", *FOLDER_FIELDS)
        | {
            "IndexedPageFolderView": Known(
                attributes={"MaxEntriesReturned": _NUMBER, "Offset": _NUMBER, "BasePoint": "Beginning"}
            )
        }
        | _ids("ParentFolderIds", "FolderId", 1)
        | _well_known("ParentFolderIds", 1),
    ),
    "SyncFolderItems": (
        Known(),
        _shape("ItemShape", *ITEM_FIELDS)
        | _ids("SyncFolderId", "FolderId", 1)
        | {
            "SyncState": Known(".*"),
            "MaxChangesReturned": Known(r"[1-9]\d?|[1-4]\d\d|50\d|51[0-2]"),
        },
    ),
    "GetItem": (Known(), _shape("ItemShape", "item:MimeContent") | _ids("ItemIds", "ItemId", MANY)),
    "DeleteItem": (
        Known(
            attributes={
                "DeleteType": "HardDelete",
                "SendMeetingCancellations": "SendToNone",
                "AffectedTaskOccurrences": "AllOccurrences",
                "SuppressReadReceipts": "true",
            }
        ),
        _ids("ItemIds", "ItemId", MANY),
    ),
    "CreateFolder": (
        Known(),
        _ids("ParentFolderId", "FolderId", 1)
        | _well_known("ParentFolderId", 1)
        | {
            "Folders": Known(),
            "Folders/Folder": Known(),
            "Folders/Folder/FolderClass": Known("IPF.Note"),
            "Folders/Folder/DisplayName": Known(".+"),
        },
    ),
    "CreateItem": (
        Known(attributes={"MessageDisposition": "SaveOnly"}),
        _ids("SavedItemFolderId", "FolderId", 1)
        | {
            "Items": Known(),
            _MADE: Known(),
            f"{_MADE}/MimeContent": Known("[A-Za-z0-9+/=]+", {"CharacterSet": "UTF-8"}),
            f"{_MADE}/ExtendedProperty": Known(most=9),
            f"{_MADE}/ExtendedProperty/ExtendedFieldURI": Known(attributes=_TOKEN_URI | _TAG_URI),
            f"{_MADE}/ExtendedProperty/Value": Known(".+"),
        },
    ),
    "FindItem": (
        Known(attributes={"Traversal": "Shallow"}),
        _shape("ItemShape")
        | {
            "IndexedPageItemView": Known(
                attributes={"MaxEntriesReturned": _NUMBER, "Offset": _NUMBER, "BasePoint": "Beginning"}
            ),
            "Restriction": Known(),
            _WANTED: Known(),
            f"{_WANTED}/ExtendedFieldURI": Known(attributes=_TOKEN_URI),
            f"{_WANTED}/FieldURIOrConstant": Known(),
            f"{_WANTED}/FieldURIOrConstant/Constant": Known(attributes={"Value": ".+"}),
        }
        | _ids("ParentFolderIds", "FolderId", 1),
    ),
    "GetSearchableMailboxes": (Known(), {"ExpandGroupMembership": Known("false")}),
}
_NEEDED = {
    "GetFolder": ("FolderShape/BaseShape", "FolderIds/*"),
    "FindFolder": ("@Traversal", "FolderShape/BaseShape", "IndexedPageFolderView/@MaxEntriesReturned",
                   "IndexedPageFolderView/@Offset", "ParentFolderIds/*"),
    "SyncFolderItems": ("ItemShape/BaseShape", "SyncFolderId/FolderId/@Id", "MaxChangesReturned"),
    "GetItem": ("ItemShape/BaseShape", "ItemIds/ItemId/@Id"),
    "DeleteItem": ("@DeleteType", "ItemIds/ItemId/@Id"),
    "CreateFolder": ("ParentFolderId/*", "Folders/Folder/DisplayName"),
    "CreateItem": ("@MessageDisposition", "SavedItemFolderId/FolderId/@Id", "Items/Message/MimeContent"),
    "FindItem": ("@Traversal", "ItemShape/BaseShape", "Restriction/IsEqualTo/ExtendedFieldURI",
                 "ParentFolderIds/FolderId/@Id"),
    "GetSearchableMailboxes": (),
}  # fmt: skip
"""What a request must have."""


def read(body: bytes) -> tuple[str, Any]:
    """The address of the person to act for, or "", and the request. Raises UnknownRequest."""
    try:
        envelope = etree.fromstring(body, etree.XMLParser(resolve_entities=False))
    except etree.XMLSyntaxError as error:
        raise UnknownRequest("no XML") from error
    header, bodies = envelope.find("s:Header", NS), envelope.findall("s:Body", NS)
    if envelope.tag != f"{{{SOAP}}}Envelope" or len(bodies) != 1 or len(bodies[0]) != 1:
        raise UnknownRequest("no envelope with one request")
    if header is not None:
        _check(header, "", _HEADER, T)
    request = bodies[0][0]
    name = etree.QName(request)
    if name.namespace != M or name.localname not in OPERATIONS:
        raise UnknownRequest(f"the operation {name.localname}")
    top, inside = OPERATIONS[name.localname]
    _match(request, name.localname, top)
    _check(request, "", inside, M)
    for path in _NEEDED[name.localname]:
        if not request.xpath(_xpath(path), namespaces=NS):
            raise UnknownRequest(f"{name.localname} without {path}")
    return envelope.findtext(_ADDRESS, "", NS), request


def fields(request: Any) -> frozenset[str]:
    """The properties that a request asks for."""
    return frozenset(one.get("FieldURI") for one in request.iterfind(".//t:FieldURI", NS))


def _xpath(path: str) -> str:
    parts = path.split("/")
    steps = [one if one[0] in "@*" else f"{'m' if n == 0 else 't'}:{one}" for n, one in enumerate(parts)]
    return "/".join(steps)


def _check(parent: Any, above: str, known: dict[str, Known], namespace: str) -> None:
    """Check the elements in an element. Those of a request are of Messages, and those in them of Types."""
    count: Counter[str] = Counter()
    for element in parent:
        name = etree.QName(element) if isinstance(element.tag, str) else None
        path = f"{above}/{name.localname}".lstrip("/") if name else "a comment"
        count[path] += 1
        if name is None or path not in known or name.namespace != namespace or count[path] > known[path].most:
            raise UnknownRequest(f"the element {path}")
        _match(element, path, known[path])
        _check(element, path, known, T)


def _match(element: Any, path: str, known: Known) -> None:
    for name, value in element.attrib.items():
        if name not in known.attributes or not re.fullmatch(known.attributes[name], value):
            raise UnknownRequest(f"{path} with {name}={value}")
    if not re.fullmatch(known.text, element.text or "", re.S):
        raise UnknownRequest(f"{path} with the text {element.text!r}")
