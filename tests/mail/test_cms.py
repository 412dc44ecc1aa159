"""S/MIME is read as far as possible without a key, in BER and DER.

No bytes raise, or take much memory or time.
"""

from __future__ import annotations

import datetime
import shutil
import subprocess
import time
import tracemalloc
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from muniment.mail.mime.cms import CmsStructure, content_of, read_cms
from muniment.mail.mime.parts import INFLATED, files
from muniment.mail.mime.walker import content
from muniment.mail.notes import CUT, ENCRYPTED
from muniment.mail.text.read_text import read_message
from support.wrapped import ber, compressed, der, detached, enclosing, enveloped, signed

ENTITY = (
    b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
    b"--x\r\nContent-Type: text/plain\r\n\r\nsigned words\r\n"
    b'--x\r\nContent-Type: application/pdf; name="offer.pdf"\r\n\r\n%PDF\r\n--x--\r\n'
)


def kind_and_content(data: bytes) -> tuple[str, bytes]:
    found = read_cms(data)
    return found.kind, content_of(data, found, 1_000_000)[:]


@given(st.binary(max_size=500), st.integers(0, 60))
def test_any_content_comes_back(data: bytes, piece: int) -> None:
    assert kind_and_content(signed(data, piece)) == ("signed", data)
    assert kind_and_content(compressed(data, piece)) == ("compressed", data)


@given(st.binary(max_size=60))
def test_nested_pieces_are_joined(data: bytes) -> None:
    string = ber(0x24, der(4, data), der(0x24, der(4, data), ber(0x24, der(4, b"z"))), der(4, b"end"))
    whole = signed(b"replaced", 0)
    at = whole.index(der(4, b"replaced"))
    info = ber(0xA0, string)
    begin = bytes.fromhex("3080 0609") + whole[6:15] + bytes.fromhex("a080 3080 020101 3100 3080 0609")
    data_type = whole[whole.index(bytes.fromhex("2a864886f70d010701")) :][:9]
    assert at > 0
    assert kind_and_content(begin + data_type + info + bytes(8)) == ("signed", data + data + b"zend")


def test_a_structure_without_content_and_an_encrypted_one_are_recognised() -> None:
    assert read_cms(detached()) == CmsStructure("signed")
    assert read_cms(enveloped()) == CmsStructure("encrypted")
    assert read_cms(b"%PDF-1.4") == read_cms(b"") == read_cms(der(0x30, der(6, b"\x2a"))) == CmsStructure("")


def certificate() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Nora")])
    now = datetime.datetime(2026, 1, 1)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(7).not_valid_before(now).not_valid_after(now + datetime.timedelta(9))
    return made.sign(key, hashes.SHA256()), key


def test_mail_signed_by_libraries_is_read(tmp_path: Path) -> None:
    cert, key = certificate()
    builder = pkcs7.PKCS7SignatureBuilder().set_data(ENTITY).add_signer(cert, key, hashes.SHA256())
    der_form = builder.sign(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])
    assert kind_and_content(der_form) == ("signed", ENTITY)
    if shutil.which("openssl"):
        (tmp_path / "entity").write_bytes(ENTITY * 100)
        (tmp_path / "signer.pem").write_bytes(
            cert.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        line = "openssl cms -sign -nodetach -binary -in entity -signer signer.pem -outform DER -stream"
        done = subprocess.run(line.split(), cwd=tmp_path, capture_output=True, check=True)
        assert done.stdout[1] == 0x80  # an open length
        assert kind_and_content(done.stdout) == ("signed", ENTITY * 100)
        line = "openssl cms -encrypt -in entity -outform DER -aes128 signer.pem"
        done = subprocess.run(line.split(), cwd=tmp_path, capture_output=True, check=True)
        assert read_cms(done.stdout) == CmsStructure("encrypted")


@pytest.mark.parametrize("kind", ["application/pkcs7-mime", "application/x-pkcs7-mime"])
@pytest.mark.parametrize("wrap", [signed, compressed])
@pytest.mark.parametrize("piece", [0, 50])
def test_the_text_and_the_files_of_a_signed_mail_are_read(kind: str, wrap: type[object], piece: int) -> None:
    data = wrap(ENTITY, piece)  # type: ignore[call-arg]
    mail = enclosing(bytes(data), kind, "smime.p7m")  # type: ignore[call-overload]
    listed = files(mail)
    assert [(file.filename, file.inline, file.within) for file in listed] == [
        ("smime.p7m", True, 0),
        ("offer.pdf", False, 1),
    ]
    assert b"".join(content(listed[1].buf, listed[1].leaf)) == b"%PDF"
    summary, text = read_message(mail)
    assert (summary.attachments, text.body.strip()) == (1, "signed words")


def test_nested_layers_are_read() -> None:
    inner = b"Content-Type: application/pkcs7-mime; name=a.p7m\r\n\r\n" + compressed(ENTITY)
    text = read_message(enclosing(signed(inner, 30), "application/pkcs7-mime", "smime.p7m"))[1]
    assert text.body.strip() == "signed words"
    assert text.filenames == ("smime.p7m", "a.p7m", "offer.pdf")


def test_a_mail_with_an_encrypted_part_has_a_note() -> None:
    for mail in (
        enclosing(enveloped(), "application/pkcs7-mime", "smime.p7m"),
        enclosing(b"Version: 1\r\n", "application/pgp-encrypted"),
    ):
        summary, text = read_message(mail)
        assert text.notes == (ENCRYPTED,)
        assert summary.attachments == 1


@given(st.binary(max_size=80), st.integers(0, 400), st.sampled_from([signed, compressed]))
def test_no_bytes_raise(noise: bytes, at: int, wrap: type[object]) -> None:
    data: bytes = wrap(ENTITY, 40)  # type: ignore[call-arg, assignment]
    for broken in (data[:at], data[:at] + noise + data[at + len(noise) :], noise, data[:at] + noise):
        found = read_cms(broken)
        assert all(0 <= start <= end <= len(broken) for start, end in found.spans)
        content_of(broken, found, 10_000)


BOMBS = {
    "levels": b"\x30\x80" * 500_000,
    "levels of pieces": signed(b"@@@@", 0).replace(der(4, b"@@@@"), b"\x24\x80" * 300_000),
    "pieces": signed(b"x" * 60_000, 1),
    "a length of 2**56": b"\x30\x87" + b"\xff" * 7 + b"\x06\x09",
    "a length of lengths": b"\x30\xff" + b"\xff" * 200,
    "levels before the content": bytes.fromhex("308006092a864886f70d010702a0803080") + b"\x31\x80" * 300_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_take_no_time(name: str) -> None:
    started = time.process_time()
    read_cms(BOMBS[name])
    mail = enclosing(BOMBS[name], "application/pkcs7-mime", "smime.p7m")
    files(mail)
    read_message(mail)
    assert time.process_time() - started < 5


def test_decompression_takes_bounded_memory() -> None:
    bomb = compressed(b"Content-Type: text/plain\r\n\r\n" + bytes(4 * INFLATED))
    part = b"\r\n--b\r\nContent-Type: application/pkcs7-mime\r\n\r\n" + bomb
    mail = b"Content-Type: multipart/mixed; boundary=b\r\n" + part * 20 + b"\r\n--b--\r\n"
    tracemalloc.start()
    try:
        notes = read_message(mail)[1].notes
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert CUT in notes
    assert peak < 8 * INFLATED
