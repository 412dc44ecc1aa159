"""Time stamps by OpenSSL's own authority, and what is wrong with others."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.evidence.time_stamps import (
    LARGEST,
    StampInvalid,
    check_stamp,
    listed,
    renewal_list,
    stamp_end,
    stamp_request,
)
from support.stamp_authority import StampAuthority

DATA = b"example.com/muniment/4f2a\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> StampAuthority:
    return StampAuthority(tmp_path_factory.mktemp("tsa") / "tsa", days=100)


@pytest.fixture(scope="module")
def roots(authority: StampAuthority) -> bytes:
    return authority.root.read_bytes()


@pytest.fixture(scope="module")
def asked(authority: StampAuthority) -> tuple[bytes, int]:
    """A stamp of DATA, and the nonce of its request."""
    request, nonce = stamp_request(DATA)
    return authority.stamp(request), nonce


def test_a_stamp_says_when_and_by_whom(
    asked: tuple[bytes, int], roots: bytes, authority: StampAuthority
) -> None:
    stamp, nonce = asked
    found = check_stamp(stamp, DATA, roots, nonce)
    assert abs(found.time - time.time()) < 600
    assert found.authority == "CN=Test TSA"
    assert abs(found.ends - time.time() - 100 * 86_400) < 86_400
    assert stamp_end(stamp) == found.ends
    assert authority.accepts(DATA, stamp)


def test_other_bytes_other_nonces_and_other_roots_are_refused(
    asked: tuple[bytes, int], roots: bytes, tmp_path: Path
) -> None:
    stamp, nonce = asked
    other = StampAuthority(tmp_path / "other").root.read_bytes()
    for data, root, number in ((DATA + b"x", roots, nonce), (DATA, other, nonce), (DATA, roots, nonce + 1)):
        with pytest.raises(StampInvalid):
            check_stamp(stamp, data, root, number)
    with pytest.raises(StampInvalid):
        check_stamp(stamp, DATA, b"no certificate")
    assert check_stamp(stamp, DATA, other + roots).authority == "CN=Test TSA"


def test_a_stamp_with_any_changed_byte_is_refused_or_says_the_same(
    asked: tuple[bytes, int], roots: bytes
) -> None:
    stamp, _ = asked
    truth = check_stamp(stamp, DATA, roots)
    refused = 0
    for place in range(0, len(stamp), 7):
        changed = bytearray(stamp)
        changed[place] ^= 1
        try:
            assert check_stamp(bytes(changed), DATA, roots) == truth
        except StampInvalid:
            refused += 1
    assert refused > len(stamp) // 7 * 0.9


def test_a_refusal_of_the_authority_is_said(authority: StampAuthority, roots: bytes) -> None:
    refusal = authority.stamp(b"no request at all")
    with pytest.raises(StampInvalid, match="refuses"):
        check_stamp(refusal, DATA, roots)


@pytest.mark.parametrize(
    "data", [b"", b"<html>404</html>", b"\x30\x03\x02\x01\x00", b"\x30" * LARGEST + b"x"]
)
def test_what_is_no_stamp_is_refused(data: bytes, roots: bytes) -> None:
    with pytest.raises(StampInvalid):
        check_stamp(data, DATA, roots)
    with pytest.raises(StampInvalid):
        stamp_end(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(StampInvalid):
        stamp_end(data)


def test_a_list_of_stamps_is_what_sha256sum_writes() -> None:
    text = renewal_list([("5.tsr", b"a"), ("renewal-2026-01-01.sha256.tsr", b"b")])
    assert text.startswith(b"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb  5.tsr\n")
    assert [name for _, name in listed(text)] == ["5.tsr", "renewal-2026-01-01.sha256.tsr"]
    assert list(listed(b"\xff\x00\nnothing\n" + b"0" * 64 + b"  ../x\n")) == []
