"""A real time-stamp authority (RFC 3161): OpenSSL's `ts` behind a small HTTP server."""

from __future__ import annotations

import http.server
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CONFIGURATION = """\
[tsa]
default_tsa = t
[t]
serial = serial
crypto_device = builtin
signer_cert = tsa.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.3.6.1.4.1.99999.1
digests = sha256, sha384, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
"""
# A configuration with `certs` would write an unsorted set, which is no DER: rfc3161-client refuses it.
_EXTENSIONS = (
    "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=critical,timeStamping\n"
    "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
)


class StampAuthority:
    """An authority with its keys in a folder."""

    def __init__(self, folder: Path, name: str = "Test TSA", days: int = 3650) -> None:
        """Make the keys. `days` is how long the certificate that signs is valid."""
        folder.mkdir()
        self.folder = folder
        self.root = folder / "root.pem"
        self.url = ""
        self.asked = 0
        self.broken = b""
        """An answer to give instead of a stamp."""
        ca = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign")
        self.openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "7300", "-subj", f"/CN={name} Root"),
            *("-keyout", "root.key", "-out", "root.pem", "-addext", ca[0], "-addext", ca[1]),
        )
        (folder / "serial").write_text("01\n")
        (folder / "tsa.cnf").write_text(_CONFIGURATION)
        (folder / "extensions").write_text(_EXTENSIONS)
        self.certify(name, days)

    def certify(self, name: str, days: int) -> None:
        """Give the authority a new key and certificate of the same root."""
        self.openssl(
            *("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", "tsa.key"),
            *("-out", "tsa.csr"),
        )
        self.openssl(
            *("x509", "-req", "-in", "tsa.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial"),
            *("-days", str(days), "-extfile", "extensions", "-out", "tsa.pem"),
        )

    def openssl(self, *words: str) -> bytes:
        done = subprocess.run(
            ["openssl", *words], cwd=self.folder, capture_output=True, check=True, timeout=60
        )
        return done.stdout

    def stamp(self, request: bytes) -> bytes:
        """The answer to a request."""
        (self.folder / "query").write_bytes(request)
        return self.openssl("ts", "-reply", "-queryfile", "query", "-config", "tsa.cnf")

    def accepts(self, data: bytes, stamp: bytes) -> bool:
        """Whether OpenSSL itself verifies a stamp."""
        (self.folder / "data").write_bytes(data)
        (self.folder / "stamp").write_bytes(stamp)
        words = ["openssl", "ts", "-verify", "-data", "data", "-in", "stamp", "-CAfile", "root.pem"]
        return subprocess.run(words, cwd=self.folder, capture_output=True, timeout=60).returncode == 0

    @contextmanager
    def serving(self) -> Iterator[StampAuthority]:
        """Answer on loopback while the context is open."""
        authority = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                authority.asked += 1
                query = self.rfile.read(int(self.headers["content-length"]))
                answer = authority.broken or authority.stamp(query)
                self.send_response(200)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_address[1]}/"
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
