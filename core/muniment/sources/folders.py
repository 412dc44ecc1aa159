"""The folders of an ordinary mailbox: their names, their uses, and the choice of which are archived.

A folder's **title** is its name in the archive: the names of its levels, joined by `/`. A `/` or `\\` within
a level's name is written `\\/` or `\\\\`, so that `levels` gives back any name that a server allows.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from muniment.errors import SourceError
from muniment.net.server_text import one_line
from muniment.profiles.fields import UNWANTED


class FolderUse(StrEnum):
    """What a folder is for, independent of its name (RFC 6154; the well-known folders of Exchange)."""

    NONE = ""
    INBOX = "inbox"
    SENT = "sent"
    DRAFTS = "drafts"
    JUNK = "junk"
    DELETED = "deleted"
    ARCHIVE = "archive"
    OUTBOX = "outbox"
    ALL = "all"
    """A view of all mail, as at Gmail: its messages can be in other folders as well."""


_NAMES = {
    FolderUse.SENT: (
        "sent; sent items; sent mail; sent messages; gesendet; gesendete elemente; gesendete objekte; "
        "éléments envoyés; messages envoyés; envoyés; elementos enviados; enviados; posta inviata; "
        "inviata; verzonden items; verzonden; itens enviados; wysłane; elementy wysłane; skickat; "
        "skickade objekt; sendt; sendte elementer; sendt post; lähetetyt; odeslané; odeslaná pošta; "
        "elküldött elemek; отправленные; отправленные элементы; надіслані; gönderilmiş öğeler; "
        "gönderilenler; απεσταλμένα; 送信済みアイテム; 送信済み; 已发送邮件; 已发送; 寄件備份; "
        "보낸 편지함; 보낸 메일함"
    ),
    FolderUse.DRAFTS: (
        "drafts; entwürfe; brouillons; borradores; bozze; concepten; rascunhos; wersje robocze; "
        "utkast; kladder; luonnokset; koncepty; rozepsané; piszkozatok; черновики; чернетки; "
        "taslaklar; πρόχειρα; 下書き; 草稿; 草稿箱; 임시 보관함"
    ),
    FolderUse.JUNK: (
        "junk; junk email; junk e-mail; spam; bulk mail; junk-e-mail; courrier indésirable; "
        "indésirables; correo no deseado; correo electrónico no deseado; posta indesiderata; "
        "ongewenste e-mail; lixo eletrônico; lixo electrónico; wiadomości-śmieci; skräppost; "
        "søppelpost; uønsket mail; uønsket e-post; roskaposti; nevyžádaná pošta; levélszemét; "
        "нежелательная почта; спам; gereksiz e-posta; önemsiz e-posta; ανεπιθύμητη αλληλογραφία; "
        "迷惑メール; 垃圾邮件; 垃圾郵件; 정크 메일; 스팸"
    ),
    FolderUse.DELETED: (
        "deleted; deleted items; deleted messages; trash; bin; gelöscht; gelöschte elemente; "
        "gelöschte objekte; papierkorb; éléments supprimés; corbeille; elementos eliminados; papelera; "
        "posta eliminata; cestino; verwijderde items; prullenbak; itens excluídos; lixeira; "
        "itens eliminados; elementy usunięte; kosz; borttaget; borttagna objekt; papperskorgen; "
        "slettede elementer; slettet post; papirkurv; poistetut; odstraněná pošta; koš; törölt elemek; "
        "удаленные; удалённые; корзина; видалені; silinmiş öğeler; çöp kutusu; διαγραμμένα; "
        "削除済みアイテム; ゴミ箱; 已删除邮件; 已刪除的郵件; 지운 편지함; 휴지통"
    ),
    FolderUse.OUTBOX: (
        "outbox; postausgang; boîte d'envoi; bandeja de salida; posta in uscita; postvak uit; "
        "caixa de saída; skrzynka nadawcza; utkorgen; udbakke; utboks; lähtevät; pošta k odeslání; "
        "postázandó üzenetek; исходящие; giden kutusu; εξερχόμενα; 送信トレイ; 发件箱; 寄件匣; "
        "보낼 편지함"
    ),
}
"""Usual names of such folders in many languages, for servers that do not say what a folder is for."""
_USES = {name.strip(): use for use, names in _NAMES.items() for name in names.split(";")}
NAMED = 20
"""Largest number of folders that an error names."""
REMEMBERED = 1000
"""Number of folders that are kept for an error about a pattern, since a tenant has any number of them."""
_ESCAPED = re.compile(r"[\\/]")
_LEVEL = re.compile(r"((?:[^\\/]|\\.)*)(?:/|\Z)", re.DOTALL)
_UNESCAPE = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class MailFolder:
    """A folder of a mailbox."""

    names: tuple[str, ...]
    """The names of its levels from the top, as people see them."""
    use: FolderUse = FolderUse.NONE
    prefix: tuple[str, ...] = ()
    """Levels above these that the server has and people don't see; a pattern can name them, too."""

    @property
    def title(self) -> str:
        """Its name in the archive; "Inbox" and "Sent" for these two in every language."""
        if self.use is FolderUse.INBOX:
            return "Inbox"
        if self.use is FolderUse.SENT:
            return "Sent"
        return title(self.names)

    @property
    def above(self) -> list[MailFolder]:
        """The folders that contain it, from the top, without their uses."""
        return [MailFolder(self.names[:n], prefix=self.prefix) for n in range(1, len(self.names))]


def title(names: Iterable[str]) -> str:
    """The title for the names of a folder's levels."""
    return "/".join(_ESCAPED.sub(r"\\\g<0>", name) for name in names)


def levels(titled: str) -> tuple[str, ...]:
    """The names of the levels in a title; the reverse of `title`."""
    return tuple(_UNESCAPE.sub(r"\1", part) for part in _LEVEL.findall(titled + "/")[:-1])


def use_by_name(names: Sequence[str]) -> FolderUse:
    """The use of a folder at the top of a mailbox, guessed from its name.

    For servers that do not say what a folder is for.
    """
    name = names[-1].casefold().strip()
    if len(names) == 1 and name == "inbox":
        return FolderUse.INBOX
    top = names[0].casefold() in ("inbox", "[gmail]", "[google mail]")
    if len(names) == 1 or (len(names) == 2 and top):
        return _USES.get(name, FolderUse.NONE)
    return FolderUse.NONE


@dataclass(frozen=True, slots=True)
class FolderChoice:
    """Which folders of a mailbox are archived.

    A pattern is a title with the wildcards `*` and `?`, in any case, or `@` and a use, such as `@junk`. It
    also matches the folders below. `leave_out` wins over `take`, with one exception: if `leave_out` is the
    default, a folder that a pattern of `take` names is archived in spite of its use. The pattern `*` does not
    count as naming a folder.
    """

    take: tuple[str, ...] = ()
    """Patterns of folders to archive; empty for all."""
    leave_out: tuple[str, ...] = UNWANTED
    """Patterns of folders to leave out; by default drafts, junk, deleted mail, the outbox and views."""

    def wants(self, folder: MailFolder, above: Sequence[MailFolder] = ()) -> bool:
        """Whether a folder is archived; `above` are the folders that contain it."""
        line = [*above, folder]
        if self.take and not _any(self.take, line):
            return False
        if self.leave_out == UNWANTED:
            named = [pattern for pattern in self.take if pattern.strip("*?")]
            line = [one for one in line if not _any(named, [one])]
        return not _any(self.leave_out, line)

    def leaves_out(self, folder: MailFolder) -> bool:
        """Whether `leave_out` matches a folder, or one that contains it."""
        return _any(self.leave_out, [*folder.above, folder])

    def missing(self, folders: Iterable[MailFolder]) -> tuple[str, ...]:
        """The patterns in `take` that match none of `folders`."""
        there = list(folders)
        return tuple(pattern for pattern in self.take if not _any([pattern], there))


class UnmatchedPatterns:
    """Finds the patterns that match a folder in none of the mailboxes that a profile reads."""

    def __init__(self, choice: FolderChoice | None) -> None:
        self._left = FolderChoice(choice.take if choice else ())
        self._folders: dict[str, MailFolder] = {}

    def compare(self, folders: Iterable[MailFolder]) -> None:
        """Compare the folders of one mailbox with the patterns that have matched nothing yet."""
        if self._left.take:
            there = list(folders)
            self._left = FolderChoice(self._left.missing(there))
            for folder in there[: REMEMBERED - len(self._folders)]:
                self._folders.setdefault(folder.title, folder)

    def check(self, address: str, *, several: bool) -> None:
        """Raise the error for patterns that have matched nothing, if there are any.

        Args:
            address: The server.
            several: Whether several mailboxes are read.
        """
        if self._left.take:
            raise no_match(address, self._left.take, self._folders.values(), several=several)


def no_match(
    address: str, patterns: Sequence[str], folders: Iterable[MailFolder], *, several: bool = False
) -> SourceError:
    """The error for patterns that match no folder; it names the existing folders."""
    who = f"No mailbox at {address} that could be read has a" if several else f"{address} has no"
    return SourceError(
        f"{who} folder that matches {', '.join(map(one_line, patterns))}: correct `folders`; "
        f"{existing(folders)}."
    )


def existing(folders: Iterable[MailFolder]) -> str:
    """A clause that names the existing folders, at most NAMED of them."""
    names = sorted({one_line(folder.title) for folder in folders}, key=str.casefold)
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return f"there are {', '.join(names[:NAMED])}{more}" if names else "there are no folders"


def _any(patterns: Iterable[str], line: Sequence[MailFolder]) -> bool:
    return any(_matches(pattern, folder) for pattern in patterns for folder in line)


def _matches(pattern: str, folder: MailFolder) -> bool:
    if pattern.startswith("@"):
        return pattern[1:].lower() == folder.use.value != ""
    wanted = _pattern(pattern)
    known = {folder.title, title(folder.names)}
    if folder.prefix:
        known.add(title((*folder.prefix, *folder.names)))
    return any(wanted.fullmatch(one) for one in known)


@lru_cache(256)
def _pattern(pattern: str) -> re.Pattern[str]:
    # Unlike `.*`, this takes linear time for a name of any length. It knows sets, which a pattern has not.
    return re.compile(fnmatch.translate(pattern.replace("[", "[[]")), re.IGNORECASE)
