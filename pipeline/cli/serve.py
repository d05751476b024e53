"""``threadline serve``: cameras, and a window on them."""

from __future__ import annotations

import os
import signal
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engines.packs import open_packs
from pipeline.cli.errors import explained, start_logging, warn
from pipeline.cli.options import ConfigOption, LogJsonOption, OutOption, PacksOption, VerboseOption
from pipeline.cli.outputs import check_run
from pipeline.cli.settings import read_settings, refuse_pictures
from pipeline.errors import ConfigError
from pipeline.files import reserved

if TYPE_CHECKING:
    from pipeline.settings.schema import Config
    from pipeline.web.service import Service
    from pipeline.web.serving import Address, Serving

#: Signals this close together are one.
_ONE_SIGNAL_S = 0.2
#: Where brands are kept, in the folder of the results, unless the settings name another place.
GALLERY = "gallery"


def serve(
    out: OutOption = Path("out"),
    config_file: ConfigOption = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535)] = 8765,
    tls_cert: Annotated[
        Path | None, typer.Option("--tls-cert", help="Certificate, PEM, with its chain.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="Its key, PEM.")] = None,
    proxy: Annotated[
        list[str] | None, typer.Option("--proxy", help="Address of a proxy in front of it.")
    ] = None,
    controller: Annotated[
        str, typer.Option("--controller", help="Who answers for the cameras, as notices name them.")
    ] = "",
    packs: PacksOption = None,
    verbose: VerboseOption = False,
    log_json: LogJsonOption = False,
) -> None:
    """Run cameras, and serve the window on them: pages, API, live pictures."""
    start_logging(verbose, log_json)
    with explained():
        refuse_without()
        from pipeline.web.service import Asked, Service
        from pipeline.web.serving import Address

        registry = open_packs(packs)
        settings = _settings(config_file, registry, out)
        address = Address(host, port, tls_cert, tls_key, tuple(proxy or ()))
        address.check()
        with reserved(out):
            service = Service(Asked(settings, out, registry, controller))
            run_service(service, address)
        # Everything is written and closed. What libraries take down beyond that may take seconds,
        # and native code that was left behind would crash on the way.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _settings(config_file: Path | None, registry: Any, out: Path) -> Config:
    settings = read_settings(config_file, registry, {})
    if not settings.section("logos").gallery:
        changes = {"logos": {"gallery": str(out / GALLERY)}}
        settings = read_settings(config_file, registry, changes)
    refuse_pictures(settings)
    check_run(settings, out, None, [config_file])
    return settings


def refuse_without() -> None:
    """Make sure that what serves is installed.

    Raises:
        ConfigError: it is not.
    """
    for name in ("argon2", "fastapi", "prometheus_client", "uvicorn", "websockets"):
        if find_spec(name) is None:
            raise ConfigError(f"needs {name}: pip install 'threadline[serve]'")


def run_service(service: Service, address: Address) -> None:
    """Serve until a signal ends it, or the run does."""
    from pipeline.web.serving import Serving

    ending: list[Serving] = []
    _stop_on_signals(service, ending)
    with service, Serving(service, address) as serving:
        ending.append(serving)
        service.start()
        serving.start()
        typer.echo(serving.url)
        if not address.local and not address.cert:
            warn("passwords travel unencrypted; use --tls-cert, or a proxy with TLS in front")
        while not service.stopping.wait(0.25) and not service.runner.finished.is_set():
            pass
        service.stop()
        service.close_store()
        serving.stop()
        service.runner.wait()


def _stop_on_signals(service: Service, ending: list[Serving]) -> None:
    """First Ctrl-C, SIGTERM or hang-up: finish and close. Second: end at once."""
    first = 0.0

    def stop(number: int, frame: object) -> None:
        nonlocal first
        now = time.monotonic()
        if not service.stopping.is_set():
            first = now
            service.stop()
            for serving in ending:
                serving.stop()
        elif now - first > _ONE_SIGNAL_S:
            os._exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        signal.signal(number, stop)
