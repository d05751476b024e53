"""TLS in front of a server, with certificates made for the occasion."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
from pathlib import Path


def authority(folder: Path) -> Path:
    """A certificate authority; the file of its certificate."""
    _openssl(
        *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=Shop"),
        *("-keyout", folder / "ca.key", "-out", folder / "ca.pem"),
        *("-addext", "basicConstraints=critical,CA:TRUE"),
    )
    return folder / "ca.pem"


def certificate(folder: Path, name: str, issuer: Path | None = None) -> Path:
    """A certificate for ``IP:127.0.0.1`` or ``DNS:other``, with its key, by an authority or by
    nobody else."""
    made = folder / f"{name.replace(':', '-')}-{issuer is not None}.pem"
    key = made.with_suffix(".key")
    asked = ("-newkey", "rsa:2048", "-nodes", "-keyout", key, "-subj", "/CN=camera")
    names = ("-addext", f"subjectAltName={name}")
    if issuer is None:
        _openssl("req", "-x509", *asked, *names, "-days", "2", "-out", made)
    else:
        wish = made.with_suffix(".csr")
        _openssl("req", *asked, *names, "-out", wish)
        by = ("-CA", issuer, "-CAkey", issuer.with_suffix(".key"), "-CAcreateserial")
        form = made.with_suffix(".ext")
        form.write_text(f"subjectAltName={name}\n")
        _openssl("x509", "-req", "-in", wish, *by, "-days", "2", "-extfile", form, "-out", made)
    made.write_bytes(made.read_bytes() + key.read_bytes())
    return made


def _openssl(*args: object) -> None:
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)


class Front:
    """Passes what comes over TLS on to a port of this machine."""

    def __init__(self, certificate: Path, port: int) -> None:
        self._port = port
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Front:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError), plain:
            client = self._tls.wrap_socket(plain, server_side=True)
            with client, socket.create_connection(("127.0.0.1", self._port)) as server:
                threading.Thread(target=_pass, args=(server, client), daemon=True).start()
                _pass(client, server)


def _pass(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
