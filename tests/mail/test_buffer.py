"""Every buffer behaves as `bytes` do, at every border of a window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muniment.mail.buffer import FileBuffer, sub, window
from muniment.mail.model import MailBuffer

CONTENT = st.lists(st.sampled_from([b"a", b"b", b"\r\n", b"--x"]), max_size=40).map(b"".join)
NEEDLE = st.lists(st.sampled_from([b"a", b"b", b"\r\n", b"--x"]), max_size=6).map(b"".join)
OFFSET = st.integers(-60, 60)
HERE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[bytes, int], FileBuffer]]:
    buffers: list[FileBuffer] = []

    def make(content: bytes, size: int) -> FileBuffer:
        path = tmp_path / "message"
        path.write_bytes(content)
        for each in buffers:
            each.close()
        buffers.append(FileBuffer(path, size))
        return buffers[-1]

    yield make
    for each in buffers:
        each.close()


def agree(buf: MailBuffer, content: bytes, needle: bytes, start: int, end: int) -> None:
    assert len(buf) == len(content)
    assert buf[start:end] == content[start:end]
    assert buf[start:] == content[start:]
    assert buf.find(needle) == content.find(needle)
    assert buf.find(needle, start) == content.find(needle, start)
    assert buf.find(needle, start, end) == content.find(needle, start, end)
    assert buf.rfind(needle) == content.rfind(needle)
    assert buf.rfind(needle, start, end) == content.rfind(needle, start, end)
    assert buf.startswith(needle) == content.startswith(needle)
    assert buf.startswith(needle, start, end) == content.startswith(needle, start, end)


@HERE
@given(CONTENT, NEEDLE, OFFSET, OFFSET, st.integers(1, 9))
def test_a_file_behaves_as_bytes(
    opened: Callable[[bytes, int], FileBuffer], content: bytes, needle: bytes, start: int, end: int, size: int
) -> None:
    agree(opened(content, size), content, needle, start, end)


@HERE
@given(CONTENT, NEEDLE, OFFSET, OFFSET, st.integers(0, 20), st.integers(0, 60))
def test_a_view_behaves_as_a_slice(
    opened: Callable[[bytes, int], FileBuffer],
    content: bytes,
    needle: bytes,
    start: int,
    end: int,
    first: int,
    last: int,
) -> None:
    agree(sub(opened(content, 4), first, last), content[first:last], needle, start, end)
    assert sub(content, first, last) == content[first:last]


def test_single_bytes_and_indexes_out_of_range(opened: Callable[[bytes, int], FileBuffer]) -> None:
    buf = opened(b"abc", 2)
    assert [buf[0], buf[-1]] == [97, 99]
    for index in (3, -4):
        with pytest.raises(IndexError):
            buf[index]
    with pytest.raises(ValueError, match="step"):
        buf[::2]


def test_windows_are_the_content_piece_by_piece(opened: Callable[[bytes, int], FileBuffer]) -> None:
    content = bytes(range(100))
    assert list(window(opened(content, 7), 3, 50, 20)) == [content[3:23], content[23:43], content[43:50]]
    assert b"".join(window(content, 90, 1000, 4)) == content[90:]


def test_a_file_that_became_shorter_raises(tmp_path: Path) -> None:
    path = tmp_path / "message"
    path.write_bytes(b"x" * 100)
    with FileBuffer(path, 10) as buf:
        path.write_bytes(b"x" * 20)
        with pytest.raises(OSError, match="shorter"):
            buf[50:60]


def test_closing_twice_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "message"
    path.write_bytes(b"x")
    buf = FileBuffer(path)
    buf.close()
    buf.close()
    with pytest.raises(OSError):
        buf[0:1]
