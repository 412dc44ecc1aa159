"""The answers of the Exchange double. Each names its source (support.ews_sources)."""

from __future__ import annotations

import base64
from bisect import bisect_right
from datetime import datetime
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from support.ews_mailboxes import Folder, Person
from support.ews_requests import fields
from support.ews_sources import MADE_UP, checked, of_code
from support.ews_xml import NS, M, T, above, fault, folder_xml, item_xml, page_of, state_of

if TYPE_CHECKING:
    from support.ews_double import Exchange


DELIVERED = "0x0e06"
"""PidTagMessageDeliveryTime."""


def _property(parent: Any) -> str:
    """The tag or the name of the extended property that an element names."""
    uri = parent.find("t:ExtendedFieldURI", NS)
    return str(uri.get("PropertyTag") or uri.get("PropertyName"))


class Refused(Exception):
    """The refusal of a whole request: a SOAP fault with status 500, or a bare answer of the web server."""

    def __init__(
        self, source: str, code: str = "", more: str = "", status: int = 500, **headers: str
    ) -> None:
        """Set the answer.

        Args:
            source: A letter of SOURCES, UNKNOWN or MADE_UP.
            code: The code of the fault; "" for a bare answer.
            more: XML for the fault's details.
            status: The HTTP status.
            headers: Header fields.
        """
        super().__init__(code)
        self.source = checked(source, granted=False)
        self.code, self.status, self.headers = code, status, headers
        self.body = fault(code, more) if code else []


class Failed(Exception):
    """The refusal of one part of a request."""

    def __init__(self, source: str, code: str) -> None:
        super().__init__(code)
        self.source, self.code = source, code


class Part:
    """The answer to one part of a request."""

    def __init__(self, source: str, code: str, content: str | bytes) -> None:
        self.source = checked(source, granted=code == "NoError")
        self.code = code
        self.content = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")


class SoapRequest:
    """One request of a login, with or without impersonation."""

    def __init__(self, double: Exchange, login: str, person: str, request: Any) -> None:
        self._double, self._login, self._person, self._request = double, login, person, request
        self._fields = fields(request)

    def GetFolder(self) -> list[Part]:
        return [self._one_folder(element) for element in self._request.find("m:FolderIds", NS)]

    def _one_folder(self, element: Any) -> Part:
        try:
            folder = self._folder(element)
        except Failed as error:
            return Part(error.source, error.code, "<m:Folders/>")
        return Part("X16", "NoError", f"<m:Folders>{folder_xml(folder, self._fields)}</m:Folders>")

    def FindFolder(self) -> list[Part]:
        try:
            top = self._folder(self._request.find("m:ParentFolderIds", NS)[0])
        except Failed as error:
            return [Part(error.source, error.code, "")]
        below = [f for _, f in self._double.folders.values() if top in above(f)]
        view = self._request.find("m:IndexedPageFolderView", NS)
        page, root = page_of(below, view)
        inside = "".join(folder_xml(one, self._fields) for one in page)
        found = f"<m:RootFolder {root}><t:Folders>{inside}</t:Folders></m:RootFolder>"
        return [Part("X17", "NoError", found)]

    def SyncFolderItems(self) -> list[Part]:
        try:
            folder = self._folder(self._request.find("m:SyncFolderId", NS)[0])
        except Failed as error:
            missing = error.code == "ErrorItemNotFound"
            return [Part("X11", "ErrorSyncFolderNotFound", "") if missing
                    else Part(error.source, error.code, "")]  # fmt: skip
        state = self._request.findtext("m:SyncState", "", NS)
        since = state_of(state, folder)
        if since is None:
            return [Part("X11", "ErrorInvalidSyncStateData", "")]
        limit = int(self._request.findtext("m:MaxChangesReturned", "", NS))
        changes: list[str] = []
        at = start = bisect_right(folder.log, (since, "\uffff"))
        while at < len(folder.log) and len(changes) < limit:
            number, mail_id = folder.log[at]
            since, at = number, at + 1
            mail = folder.items.get(mail_id)
            if mail is not None and mail.seq == number:
                changes.append(f"<t:Create>{item_xml(mail, self._fields)}</t:Create>")
            elif mail is None and state and start:
                changes.append(f"<t:Delete><t:ItemId Id={quoteattr(mail_id)}/></t:Delete>")
        new = base64.b64encode(f"{folder.id}\n{since}".encode()).decode()
        last = str(at == len(folder.log)).lower()
        return [Part("X11", "NoError",
                     f"<m:SyncState>{new}</m:SyncState><m:IncludesLastItemInRange>{last}"
                     f"</m:IncludesLastItemInRange><m:Changes>{''.join(changes)}</m:Changes>")]  # fmt: skip

    def GetItem(self) -> list[Part]:
        wanted = "item:MimeContent" in self._fields
        return [self._content(element.get("Id"), wanted) for element in self._request.find("m:ItemIds", NS)]

    def _content(self, mail_id: str, wanted: bool) -> Part:
        folder = self._double.where.get(mail_id)
        if folder is None or not self._may(self._double.folders[folder.id][0]):
            return Part("X2", "ErrorItemNotFound", "<m:Items/>")
        mail = folder.items[mail_id]
        if mail.error:
            return Part(of_code(mail.error), mail.error, "<m:Items/>")
        head = f"<m:Items><t:{mail.tag}>".encode()
        mime = base64.b64encode(self._double.mime(mail)) if wanted and mail.mime else None
        inside = b"" if mime is None else b'<t:MimeContent CharacterSet="UTF-8">' + mime + b"</t:MimeContent>"
        tail = f'<t:ItemId Id={quoteattr(mail.id)} ChangeKey="CQAAABYA{mail.seq}"/></t:{mail.tag}></m:Items>'
        return Part("X18" if mail.mime else MADE_UP, "NoError", head + inside + tail.encode())

    def DeleteItem(self) -> list[Part]:
        return [self._deleted(element.get("Id")) for element in self._request.find("m:ItemIds", NS)]

    def _deleted(self, mail_id: str) -> Part:
        folder = self._double.where.get(mail_id)
        if folder is None:
            return Part("X1", "ErrorItemNotFound", "")
        if code := folder.items[mail_id].stays:
            return Part(of_code(code), code, "")
        person = self._double.folders[folder.id][0]
        if not self._may(person):
            return Part("X14", "ErrorAccessDenied", "")
        person.remove(folder, mail_id)
        return Part("X1", "NoError", "")

    def CreateFolder(self) -> list[Part]:
        try:
            parent = self._folder(self._request.find("m:ParentFolderId", NS)[0])
        except Failed as error:
            return [Part(error.source, error.code, "<m:Folders/>")]
        name = self._request.findtext("m:Folders/t:Folder/t:DisplayName", "", NS)
        beside = [one.name for _, one in self._double.folders.values() if one.parent is parent]
        if name.casefold() in map(str.casefold, beside):
            return [Part("X7", "ErrorFolderExists", "<m:Folders/>")]
        made = self._double.folders[parent.id][0].made(name, parent)
        return [Part("X20", "NoError", f"<m:Folders>{folder_xml(made, frozenset())}</m:Folders>")]

    def CreateItem(self) -> list[Part]:
        try:
            folder = self._folder(self._request.find("m:SavedItemFolderId", NS)[0])
        except Failed as error:
            return [Part(error.source, error.code, "<m:Items/>")]
        message = self._request.find("m:Items/t:Message", NS)
        content = base64.b64decode(message.findtext("t:MimeContent", "", NS))
        if code := self._double.takes(content):
            return [Part(of_code(code), code, "<m:Items/>")]
        properties = {_property(one): one.findtext("t:Value", "", NS)
                      for one in message.iterfind("t:ExtendedProperty", NS)}  # fmt: skip
        before = set(folder.items)
        self._double.folders[folder.id][0].put([content], folder, properties=properties)
        (mail,) = (mail for key, mail in folder.items.items() if key not in before)
        if delivered := properties.get(DELIVERED):
            mail.received = datetime.fromisoformat(delivered).timestamp()
        return [Part("X19", "NoError", f"<m:Items>{item_xml(mail, frozenset())}</m:Items>")]

    def FindItem(self) -> list[Part]:
        try:
            folder = self._folder(self._request.find("m:ParentFolderIds", NS)[0])
        except Failed as error:
            return [Part(error.source, error.code, "")]
        equal = self._request.find("m:Restriction/t:IsEqualTo", NS)
        name, wanted = _property(equal), equal.find("t:FieldURIOrConstant/t:Constant", NS).get("Value")
        found = [mail for mail in folder.items.values() if mail.properties.get(name) == wanted]
        page, root = page_of(found, self._request.find("m:IndexedPageItemView", NS))
        inside = "".join(item_xml(one, frozenset()) for one in page)
        return [Part("X21", "NoError",
                     f"<m:RootFolder {root}><t:Items>{inside}</t:Items></m:RootFolder>")]  # fmt: skip

    def GetSearchableMailboxes(self) -> Part:
        response = f'<m:GetSearchableMailboxesResponse xmlns:m="{M}" xmlns:t="{T}" '
        if self._login not in self._double.searchers:
            error = "<m:MessageText>no</m:MessageText><m:ResponseCode>ErrorAccessDenied</m:ResponseCode>"
            refusal = f'{response}ResponseClass="Error">{error}</m:GetSearchableMailboxesResponse>'
            return Part("X14", "ErrorAccessDenied", refusal)
        named = [
            *((one, False, False) for one in self._double.people),
            *((one, True, False) for one in self._double.groups),
            *((one, False, True) for one in self._double.external),
        ]
        people = "".join(
            f"<t:SearchableMailbox><t:Guid>00000000-0000-0000-0000-{number:012}</t:Guid>"
            f"<t:PrimarySmtpAddress>{escape(address)}</t:PrimarySmtpAddress>"
            f"<t:IsExternalMailbox>{str(external).lower()}</t:IsExternalMailbox>"
            f"<t:ExternalEmailAddress/><t:DisplayName>{escape(address)}</t:DisplayName>"
            f"<t:IsMembershipGroup>{str(group).lower()}</t:IsMembershipGroup>"
            f"<t:ReferenceId>{number}</t:ReferenceId></t:SearchableMailbox>"
            for number, (address, group, external) in enumerate(named)
        )
        return Part("X9", "NoError",
                    f'{response}ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>'
                    f"<m:SearchableMailboxes>{people}</m:SearchableMailboxes>"
                    "</m:GetSearchableMailboxesResponse>")  # fmt: skip

    # --- owners -------------------------------------------------------------------------------

    def _may(self, person: Person) -> bool:
        acting = self._person or self._login
        return acting == person.address or (not self._person and self._login in person.delegates)

    def _folder(self, element: Any) -> Folder:
        """The folder that an id names. Raises Failed."""
        if etree.QName(element).localname == "FolderId":
            owner, folder = self._double.folders.get(element.get("Id"), (None, None))
            if owner is None or folder is None:
                raise Failed("X2", "ErrorItemNotFound")
            if not self._may(owner):
                raise Failed("X14", "ErrorAccessDenied")
            if folder.sick:
                raise Failed(of_code(folder.sick), folder.sick)
            return folder
        address = element.findtext("t:Mailbox/t:EmailAddress", "", NS) or self._person or self._login
        person = self._double.people.get(address)
        if person is None:
            raise Failed("X6", "ErrorNonExistentMailbox")
        if not self._may(person):
            raise Failed("X14", "ErrorAccessDenied")
        if person.sick:
            raise Failed(of_code(person.sick), person.sick)
        known = [
            f for p, f in self._double.folders.values() if p is person and f.known_as == element.get("Id")
        ]
        if not known:
            raise Failed("X15", "ErrorFolderNotFound")
        return known[0]
