"""The server on a thread of its own: whatever asks, cameras go on."""

from __future__ import annotations

import ipaddress
import logging
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import uvicorn

from pipeline.errors import ConfigError
from pipeline.flow.worker import Worker
from pipeline.web.app import make_app
from pipeline.web.service import Service

log = logging.getLogger("threadline.web")

#: Connections at a time, and those that wait to be taken.
MOST_CONNECTIONS = 400
_BACKLOG = 512
#: Seconds in which answers are finished once the service ends.
GRACE_S = 1
_JOIN_S = 1.5
#: Seconds between two equal messages of the server.
SELDOM_S = 10.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where the window is.

    Attributes:
        proxies: addresses whose word on who asks is taken.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    cert: Path | None = None
    key: Path | None = None
    proxies: tuple[str, ...] = ()

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def scheme(self) -> str:
        return "https" if self.cert else "http"

    def check(self) -> None:
        """Raise ConfigError unless certificate and key are both there, or neither."""
        if bool(self.cert) != bool(self.key):
            raise ConfigError("--tls-cert and --tls-key: give both")
        for option, path in (("--tls-cert", self.cert), ("--tls-key", self.key)):
            if path is not None and not path.is_file():
                raise ConfigError(f"{option} {path}: no such file")


class _Seldom(logging.Filter):
    """Lets the same message pass once in a while: a flood of requests makes none of the log."""

    def __init__(self) -> None:
        super().__init__()
        self._passed: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now, text = time.monotonic(), str(record.msg)
        if now - self._passed.get(text, float("-inf")) < SELDOM_S:
            return False
        self._passed[text] = now
        return True


class Serving:
    """Answers requests from ``start`` until it is left.

    Raises on entering: ConfigError, if the address is taken, or nobody has a password though
    others could reach it.
    """

    def __init__(self, service: Service, address: Address) -> None:
        self._service = service
        self._address = address

    def __enter__(self) -> Serving:
        address = self._address
        address.check()
        if self._service.accounts.empty and not address.local:
            raise ConfigError(
                f"--host {address.host}: others could reach it, and nobody has a password yet; "
                "run it on 127.0.0.1 first, or: threadline user add NAME --out ..."
            )
        self._socket = _bound(address)
        self.port = int(self._socket.getsockname()[1])
        config = uvicorn.Config(
            make_app(self._service),
            loop="asyncio",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=MOST_CONNECTIONS,
            backlog=_BACKLOG,
            timeout_graceful_shutdown=GRACE_S,
            ws_max_size=65_536,
            ws_per_message_deflate=False,  # video and JPEG are as small as they get
            ssl_certfile=address.cert,
            ssl_keyfile=address.key,
            proxy_headers=bool(address.proxies),
            forwarded_allow_ips=",".join(address.proxies) or None,
            **_sockets(),
        )
        self._seldom = _Seldom()
        logging.getLogger("uvicorn.error").addFilter(self._seldom)
        self._server = uvicorn.Server(config)
        self._worker = Worker("window", self._run, lambda worker: None)
        return self

    def start(self) -> None:
        self._worker.start()

    @property
    def url(self) -> str:
        host = f"[{self._address.host}]" if ":" in self._address.host else self._address.host
        return f"{self._address.scheme}://{host}:{self.port}/"

    def stop(self) -> None:
        """Take no more requests."""
        self._server.should_exit = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        if self._worker.ident is not None:
            self._worker.join(_JOIN_S + GRACE_S)
        self._socket.close()
        logging.getLogger("uvicorn.error").removeFilter(self._seldom)
        if self._worker.error is not None:
            log.error("the window ended: %s", self._worker.error)

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])


def _sockets() -> dict[str, Any]:
    """Which protocol of sockets: the one that is kept up, where it is there."""
    from importlib.util import find_spec

    there = find_spec("uvicorn.protocols.websockets.websockets_sansio_impl")
    return {"ws": "websockets-sansio" if there else "websockets"}


def _bound(address: Address) -> socket.socket:
    try:
        family = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0][0]
        made = socket.create_server((address.host, address.port), family=family, backlog=_BACKLOG)
        # Connections inherit it; asyncio sets it only on sockets that were made by naming TCP.
        # Without it, the rest of an answer waits 40 ms for its beginning to be acknowledged.
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made
    except OSError as error:
        raise ConfigError(
            f"{address.host}:{address.port}: cannot be listened on: {error.strerror or error}; "
            "choose another --port or --host"
        ) from None
