"""ZIP archives: each file inside is read as if it were attached."""

from __future__ import annotations

from zipfile import ZipFile, ZipInfo

from muniment.contents.collector import Collector, Locked, Overpacked

_ENCRYPTED, _UTF8 = 0x1, 0x800
_NO_TEXT = frozenset(
    (
        *(
            "png",
            "jpg",
            "jpeg",
            "gif",
            "bmp",
            "tif",
            "tiff",
            "webp",
            "ico",
            "heic",
            "svgz",
            "mp3",
            "mp4",
            "m4a",
        ),
        *("mov", "avi", "mkv", "wav", "ogg", "flac", "exe", "dll", "so", "class", "jar", "iso", "img", "bin"),
        *("ttf", "otf", "woff", "woff2", "psd", "pyc", "o", "a", "7z", "rar", "gz", "xz", "bz2", "zst"),
    )
)
"""Ends of names of files without text, which are not unpacked."""


def read_archive(archive: ZipFile, into: Collector) -> None:
    """Read the files of an archive, and their names.

    Raises:
        Locked: All of it is encrypted.
        Full, Overpacked: There is more than is read.
    """
    members = [member for member in archive.infolist() if not member.is_dir()]
    if members and all(member.flag_bits & _ENCRYPTED for member in members):
        for member in members:
            into.add(_name(member))
        raise Locked
    for member in members:
        name = _name(member)
        into.add(name)
        if name.rpartition(".")[2].lower() not in _NO_TEXT:
            _read_member(archive, member, name, into)


def _read_member(archive: ZipFile, member: ZipInfo, name: str, into: Collector) -> None:
    if member.flag_bits & _ENCRYPTED:
        with into.member(name):
            raise Locked
    room = into.inflatable
    if member.file_size > room:  # as it says itself; a lie ends at the same limit below
        raise Overpacked
    with into.noting():
        with archive.open(member) as stream:
            data = stream.read(room + 1)
        into.inflate(len(data))
        into.read_member(name, data)


def _name(member: ZipInfo) -> str:
    """Return a member's name; one in UTF-8 that is not marked as such is read as UTF-8."""
    if member.flag_bits & _UTF8:
        return member.filename
    try:
        return member.filename.encode("cp437").decode()
    except UnicodeError:
        return member.filename
