"""Which folders of an IMAP server a profile reads, and whose mail is in them.

At Gmail the folder All Mail is read: each message is in it once, with its labels, while the other folders
only show messages by a label. Only spam and trash are not in it. Nothing is deleted in All Mail unless the
profile names that folder, since emptying it empties the whole account.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from muniment.net.server_text import one_line
from muniment.profiles.fields import UNWANTED
from muniment.sources.base import MailPlace
from muniment.sources.endpoint import ImapEndpoint
from muniment.sources.folders import FolderChoice, FolderUse, MailFolder
from muniment.sources.imap.namespaces import (
    GMAIL,
    PUBLIC,
    FolderOwner,
    ImapNamespace,
    LocatedFolder,
    locate,
)
from muniment.sources.imap.text import ListedFolder, split_levels

GMAIL_CAPABILITY = "X-GM-EXT-1"
REMEMBERED = 10_000
"""Number of label titles that are cached; a mailbox at Gmail has at most this many labels."""
ALL_MAIL = MailFolder(("All Mail",), FolderUse.ALL)
_SYSTEM = {
    "\\inbox": MailFolder(("INBOX",), FolderUse.INBOX),
    "\\sent": MailFolder(("Sent",), FolderUse.SENT),
    "\\draft": MailFolder(("Drafts",), FolderUse.DRAFTS),
    "\\drafts": MailFolder(("Drafts",), FolderUse.DRAFTS),
    "\\junk": MailFolder(("Spam",), FolderUse.JUNK),
    "\\spam": MailFolder(("Spam",), FolderUse.JUNK),
    "\\trash": MailFolder(("Trash",), FolderUse.DELETED),
}
"""Gmail's own labels that are folders in other programs; others, such as `\\Important`, are only marks."""


@dataclass(slots=True)
class ImapFolder:
    """A folder that is read."""

    place: MailPlace
    raw: bytes = b""
    labelled: bool = False
    """Whether its messages are filed by Gmail's labels."""
    stays: bool = False
    """Whether nothing is deleted in it."""
    validity: str = ""
    """Its UIDVALIDITY when it was listed; "" before."""
    read_only: bool = False
    state: str = ""
    """`SelectedFolder.state` when its listing began."""
    exists: int = 0
    """The number of messages to list, according to the server."""


@dataclass(frozen=True, slots=True)
class ImapFolderTree:
    """The folders of a mailbox, and which of them are read."""

    boxes: tuple[ImapFolder, ...]
    """The folders to read."""
    missing: tuple[str, ...]
    """Patterns of the profile that match no folder."""
    folders: tuple[MailFolder, ...]
    """All folders that a pattern can choose."""
    of_others: int
    """Number of folders that belong to others or are public."""
    views: int
    """Number of folders that only show messages of other folders."""
    gmail: bool
    trash: bytes
    """The folder for deleted messages, as LIST gives it; b"" if there is none."""


def is_gmail(capabilities: frozenset[str], located: Iterable[LocatedFolder]) -> bool:
    """Whether the server is Gmail's, where folders are labels."""
    return GMAIL_CAPABILITY in capabilities or any(
        one.folder.use is FolderUse.ALL and one.listed.levels[0].casefold() in GMAIL for one in located
    )


def choose(
    endpoint: ImapEndpoint,
    choice: FolderChoice,
    located: Sequence[LocatedFolder],
    capabilities: frozenset[str],
) -> ImapFolderTree:
    """Choose the folders that a profile reads; they stay in the server's order."""
    own = [one for one in located if not one.view and (endpoint.shared or one.whose is FolderOwner.OWN)]
    gmail = is_gmail(capabilities, located)
    everything = next(
        (one for one in own if one.whose is FolderOwner.OWN and one.folder.use is FolderUse.ALL), None
    )
    unnamed = gmail and everything is not None and not choice.take and _by_labels(choice)
    if unnamed:
        taken = [one for one in own if one is everything or _beside(one, choice)]
    else:
        taken = [one for one in own if choice.wants(one.folder, one.folder.above)]
    labelled = everything if GMAIL_CAPABILITY in capabilities else None
    folders = tuple(one.folder for one in own)
    missing = choice.missing([folder for one in own for folder in (*one.folder.above, one.folder)])
    return ImapFolderTree(
        boxes=tuple(
            ImapFolder(
                _place(endpoint, one), one.listed.raw, one is labelled, stays=unnamed and one is everything
            )
            for one in taken
        ),
        missing=missing,
        folders=folders,
        of_others=sum(one.whose is not FolderOwner.OWN for one in located),
        views=sum(one.view for one in located),
        gmail=gmail,
        trash=next((one.listed.raw for one in own if "\\trash" in one.listed.flags), b""),
    )


def _by_labels(choice: FolderChoice) -> bool:
    """Whether All Mail can be read. At servers other than Gmail, the default leaves such a folder out."""
    return choice.leave_out == UNWANTED or "@all" not in choice.leave_out


def _beside(one: LocatedFolder, choice: FolderChoice) -> bool:
    """Whether a folder is read besides All Mail, since its messages are not in there."""
    return one.folder.use in (FolderUse.JUNK, FolderUse.DELETED) and choice.wants(
        one.folder, one.folder.above
    )


def owned(
    place: MailPlace, endpoint: ImapEndpoint, listed: ListedFolder, namespaces: Sequence[ImapNamespace]
) -> MailPlace:
    """The place of the only folder that a profile reads, with its owner."""
    found = _place(endpoint, *locate([listed], namespaces))
    return replace(place, owner=found.owner, others=found.others)


def not_emptied(endpoint: ImapEndpoint, place: MailPlace) -> str:
    """Why nothing is deleted in a profile's only folder; "" if it is the mailbox's own."""
    if not place.others:
        return ""
    whose = "is a public folder" if place.owner == PUBLIC else f"belongs to {one_line(place.owner)}"
    return (
        f"The folder {one_line(place.folder)} on {endpoint.address} {whose}, and nothing is ever deleted in "
        "folders of others: log in as its owner, or keep the mail with `--keep`."
    )


def _place(endpoint: ImapEndpoint, one: LocatedFolder) -> MailPlace:
    owner = {FolderOwner.OWN: "", FolderOwner.PUBLIC: PUBLIC}.get(one.whose, _address(endpoint, one.person))
    title = ALL_MAIL.title if one.folder.use is FolderUse.ALL else one.title
    return MailPlace(
        endpoint.address,
        endpoint.mailbox,
        one.listed.name,
        title,
        owner,
        others=one.whose is not FolderOwner.OWN,
    )


def _address(endpoint: ImapEndpoint, person: str) -> str:
    """The address of another user; a name without a domain gets the domain of the mailbox's owner."""
    _, at, domain = (endpoint.owner or endpoint.mailbox).rpartition("@")
    return person if "@" in person or not at else f"{person}@{domain}"


def remarks(endpoint: ImapEndpoint, tree: ImapFolderTree) -> list[str]:
    """What an administrator should know about these folders: clauses without a full stop."""
    found = []
    if tree.of_others:
        many = "1 folder of others is" if tree.of_others == 1 else f"{tree.of_others:,} folders of others are"
        found.append(
            f"{many} read, and nothing is deleted there"
            if endpoint.shared
            else f"{many} left out: with `shared = true` they are read, and nothing is deleted there"
        )
    if tree.gmail and any(box.place.title == ALL_MAIL.title for box in tree.boxes):
        found.append("this is Gmail: All Mail is read, where each message is once, with any number of labels")
    if endpoint.deletes and any(box.stays for box in tree.boxes):
        found.append('nothing is deleted in All Mail, since `folders` does not name it: ["@all"] does')
    elif tree.gmail and endpoint.deletes:
        found.append(
            "deleting at Gmail moves a message to the trash and removes all its labels; Gmail deletes it for "
            "good after 30 days"
        )
    return found


class GmailLabels:
    """Finds one folder for each message of Gmail, by its labels."""

    def __init__(self, place: MailPlace, choice: FolderChoice) -> None:
        self._place = place
        self._choice = choice
        self._titled: dict[str, MailPlace] = {}

    def place(self, labels: Sequence[str]) -> MailPlace | None:
        """The place for a message with these labels; None if the profile leaves out one of them."""
        folders = [folder for label in labels if (folder := _folder(label))]
        if any(self._choice.leaves_out(folder) for folder in folders):
            return None
        title = _first(folders).title
        if title not in self._titled:
            if len(self._titled) >= REMEMBERED:
                self._titled.clear()
            self._titled[title] = replace(self._place, title=title)
        return self._titled[title]


def _folder(label: str) -> MailFolder | None:
    if label.startswith("\\"):
        return _SYSTEM.get(label.lower())
    return MailFolder(split_levels(label, "/"))


def _first(folders: Sequence[MailFolder]) -> MailFolder:
    """The most telling folder of a message: sent mail, or else a user's own label, or else the inbox."""
    for wanted in (
        (FolderUse.SENT,),
        (FolderUse.NONE,),
        (FolderUse.INBOX, FolderUse.JUNK, FolderUse.DELETED, FolderUse.DRAFTS),
    ):
        if found := next((folder for folder in folders if folder.use in wanted), None):
            return found
    return ALL_MAIL
