"""Puts messages into mailboxes of an Exchange Server: folders are found or made, and items made of MIME.

Exchange turns MIME into its own properties, so what it gives back differs in bytes. So each item gets a
property of its own with the hash of the message, by which it is found again.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from exchangelib import errors
from exchangelib.services import CreateFolder, CreateItem, FindItem
from exchangelib.util import TNS, create_element

from muniment.errors import SourceError
from muniment.sources.ews.connection import EwsWire, _EachApart, _id
from muniment.sources.ews.faults import failure

MARK = "MunimentRestored"
"""The name of the property with the hash (PublicStrings)."""
_FLAGS, _DELIVERED, _SUBMITTED = "0x0e07", "0x0e06", "0x0039"
"""PidTagMessageFlags, PidTagMessageDeliveryTime and PidTagClientSubmitTime ([MS-OXPROPS])."""
_READ, _UNSENT = 1, 8
"""Bits of PidTagMessageFlags ([MS-OXCMSG], 2.2.1.6). Without the property, a new item is a draft."""
_FULL = (errors.ErrorQuotaExceeded, errors.ErrorCreateItemAccessDenied, errors.ErrorAccessDenied)


class ItemRefused(SourceError):
    """Exchange does not take one message. The text is its error code."""


class _CreateFolder(_EachApart, CreateFolder):  # type: ignore[misc]
    """The operation CreateFolder."""


class _CreateItem(_EachApart, CreateItem):  # type: ignore[misc]
    """The operation CreateItem."""


class _FindItem(_EachApart, FindItem):  # type: ignore[misc]
    """The operation FindItem."""


class EwsWriter(EwsWire):
    """A connection that writes. Its methods raise as those of EwsWire."""

    def open_folder(self, who: str, names: tuple[str, ...], titled: str) -> str:
        """The id of a folder of a mailbox, which is made if it is missing.

        Args:
            who: The address of the mailbox; "" for the login's own.
            names: The names of its levels.
            titled: Its name as the archive has it, by which a folder in any language is found.
        """
        folders = self.folders(who)
        for found in folders:
            if found.folder.names == names or found.folder.title == titled:
                return found.id
        ids = {one.folder.names: one.id for one in folders}
        parent = ""
        for depth in range(1, len(names) + 1):
            parent = ids.get(names[:depth]) or self._make(who, parent, names[depth - 1])
        return parent

    def _make(self, who: str, parent: str, name: str) -> str:
        payload = create_element("m:CreateFolder")
        above = create_element("m:ParentFolderId")
        above.append(self._root(who) if not parent else create_element("t:FolderId", attrs={"Id": parent}))
        folder = create_element("t:Folder")
        _text(folder, "t:FolderClass", "IPF.Note")
        _text(folder, "t:DisplayName", name)
        folders = create_element("m:Folders")
        folders.append(folder)
        payload.extend((above, folders))
        with self._explained(who):
            (made,) = _CreateFolder(account=self._account(who))._get_elements(payload)
            if isinstance(made, Exception):
                raise made
            return _id(made, "FolderId")

    def _root(self, who: str) -> Any:
        """The element of the folder that contains all folders of a mailbox."""
        root = create_element("t:DistinguishedFolderId", attrs={"Id": "msgfolderroot"})
        if self._mailbox(who) is not None:
            mailbox = create_element("t:Mailbox")
            _text(mailbox, "t:EmailAddress", who)
            root.append(mailbox)
        return root

    def find(self, who: str, folder: str, token: str) -> str | None:
        """The id of the item with this token in a folder; None if there is none."""
        payload = create_element("m:FindItem", attrs={"Traversal": "Shallow"})
        shape = create_element("m:ItemShape")
        _text(shape, "t:BaseShape", "IdOnly")
        view = create_element(
            "m:IndexedPageItemView",
            attrs={"MaxEntriesReturned": "1", "Offset": "0", "BasePoint": "Beginning"},
        )
        restriction, equal = create_element("m:Restriction"), create_element("t:IsEqualTo")
        constant = create_element("t:FieldURIOrConstant")
        constant.append(create_element("t:Constant", attrs={"Value": token}))
        equal.extend((_token_uri(), constant))
        restriction.append(equal)
        parents = create_element("m:ParentFolderIds")
        parents.append(create_element("t:FolderId", attrs={"Id": folder}))
        payload.extend((shape, view, restriction, parents))
        with self._explained(who):
            service = _FindItem(account=self._account(who), page_size=1)
            ((root, _),) = service._get_pages(lambda: payload, {}, 1)
            if isinstance(root, Exception):
                raise root
            items = None if root is None else root.find(f"{{{TNS}}}Items")
            return None if items is None or not len(items) else _id(items[0], "ItemId")

    def create(
        self,
        who: str,
        folder: str,
        pieces: Iterable[bytes],
        date: int,
        token: str,
        *,
        read: bool,
        draft: bool,
    ) -> str:
        """Make an item of a message, and return its id.

        Args:
            who: The address of the mailbox; "" for the login's own.
            folder: The id of the folder.
            pieces: The message.
            date: When it was received, in seconds since 1970 UTC.
            token: The text by which `find` finds it.
            read: Whether it counts as read.
            draft: Whether it is a draft.

        Raises:
            ItemRefused: Exchange does not take this message.
        """
        payload = create_element("m:CreateItem", attrs={"MessageDisposition": "SaveOnly"})
        saved = create_element("m:SavedItemFolderId")
        saved.append(create_element("t:FolderId", attrs={"Id": folder}))
        message = create_element("t:Message")
        mime = create_element("t:MimeContent", attrs={"CharacterSet": "UTF-8"})
        mime.text = base64.b64encode(b"".join(pieces)).decode()
        at = datetime.fromtimestamp(max(date, 0), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        flags = (_READ if read else 0) | (_UNSENT if draft else 0)
        message.append(mime)
        message.append(_property(_tag_uri(_FLAGS, "Integer"), str(flags)))
        message.append(_property(_tag_uri(_DELIVERED, "SystemTime"), at))
        message.append(_property(_tag_uri(_SUBMITTED, "SystemTime"), at))
        message.append(_property(_token_uri(), token))
        items = create_element("m:Items")
        items.append(message)
        payload.extend((saved, items))
        with self._explained(who):
            (made,) = _CreateItem(account=self._account(who))._get_elements(payload)
            if isinstance(made, _FULL):
                raise SourceError(
                    f"{self._endpoint.address} takes no mail for {who or self._endpoint.mailbox} "
                    f"({type(made).__name__}): make room in the mailbox, or let this login write."
                )
        if isinstance(made, Exception):
            raise ItemRefused(failure(made).code)
        return _id(made, "ItemId")


def _text(parent: Any, name: str, text: str) -> None:
    child = create_element(name)
    child.text = text
    parent.append(child)


def _tag_uri(tag: str, kind: str) -> Any:
    return create_element("t:ExtendedFieldURI", attrs={"PropertyTag": tag, "PropertyType": kind})


def _token_uri() -> Any:
    attributes = {
        "DistinguishedPropertySetId": "PublicStrings", "PropertyName": MARK, "PropertyType": "String",
    }  # fmt: skip
    return create_element("t:ExtendedFieldURI", attrs=attributes)


def _property(uri: Any, value: str) -> Any:
    made = create_element("t:ExtendedProperty")
    made.append(uri)
    _text(made, "t:Value", value)
    return made
