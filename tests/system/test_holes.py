"""Space of zeros is given back without any change of what is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from muniment.system.holes import punch_hole


def test_a_hole_reads_as_zeros_and_the_size_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a" * 100_000 + bytes(200_000) + b"b" * 50)
    with path.open("r+b") as file:
        done = punch_hole(file.fileno(), 100_000, 200_000)
    assert path.read_bytes() == b"a" * 100_000 + bytes(200_000) + b"b" * 50
    assert done or path.stat().st_blocks * 512 >= 300_000


@pytest.mark.parametrize(("offset", "length"), [(0, 0), (0, -1), (50, 51), (101, 1)])
def test_nothing_outside_the_file_is_touched(tmp_path: Path, offset: int, length: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    with path.open("r+b") as file:
        assert not punch_hole(file.fileno(), offset, length)
    assert path.read_bytes() == b"x" * 100


def test_a_file_that_can_not_be_written_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100_000)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        assert not punch_hole(descriptor, 0, 65_536)
    finally:
        os.close(descriptor)
    assert path.read_bytes() == b"x" * 100_000
