"""``threadline camera``: what a camera offers."""

from __future__ import annotations

import os
from typing import Annotated

import typer
from pydantic import ValidationError

from pipeline.cli.errors import explained, plain, standard_output, start_logging, warn
from pipeline.errors import ConfigError, SourceError, redact
from pipeline.settings.schema import first_mistake
from pipeline.sources.camera import CameraSettings
from pipeline.sources.probe import Offer, probe, warnings

app = typer.Typer(no_args_is_help=True, help="Cameras.")


@app.command("probe")
def probe_command(
    url: Annotated[str, typer.Argument(help="Address of the (main) stream.")],
    sub: Annotated[str, typer.Option(help="Address of the sub-stream.")] = "",
    user: Annotated[str, typer.Option(help="User name; else $CAM_USER.")] = "",
    password: Annotated[str, typer.Option(help="Password; else $CAM_PASSWORD.")] = "",
    seconds: Annotated[float, typer.Option(min=1, max=60, help="How long to watch each.")] = 6.0,
) -> None:
    """Show what a camera's address offers, and what of it will cost quality or time."""
    with explained():
        if "@" not in url:  # no login in the address
            user = user or os.environ.get("CAM_USER", "")
            password = password or os.environ.get("CAM_PASSWORD", "")
        try:
            camera = CameraSettings(url=url, sub=sub, user=user, password=password, id="camera")
        except ValidationError as error:
            raise ConfigError(redact(first_mistake(error))) from None
        main = probe(camera.main_stream, seconds)
        small = probe(camera.sub_stream, seconds) if sub else None
    console = standard_output()
    for name, one in (("main stream", main), ("sub-stream", small)):
        if one is not None:
            line = plain(f"{name:12} {shown(one)}")
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    for warning in warnings(main, small):
        console.print(f"warning: {warning}", highlight=False, markup=False, soft_wrap=True)


@app.command("find")
def find_command(
    host: Annotated[str, typer.Option(help="Ask this address alone.")] = "",
    user: Annotated[str, typer.Option(help="User name; else $CAM_USER.")] = "",
    password: Annotated[str, typer.Option(help="Password; else $CAM_PASSWORD.")] = "",
    seconds: Annotated[float, typer.Option(min=0.2, max=30, help="How long to wait.")] = 3.0,
) -> None:
    """Find ONVIF cameras on the network, and show the streams they offer."""
    start_logging()
    with explained():
        from pipeline.sources.onvif.discovery import find

        found = find(seconds, host)
    if not found:
        warn("no camera answered; it may be on another network: add it by its address")
    console = standard_output()
    login = user or os.environ.get("CAM_USER", ""), password or os.environ.get("CAM_PASSWORD", "")
    for one in found:
        name = plain(" ".join(filter(None, (one.address, one.name, one.hardware))))
        console.print(name, highlight=False, markup=False, soft_wrap=True)
        for line in _streams(one.address, *login):
            console.print(plain(f"  {line}"), highlight=False, markup=False, soft_wrap=True)


def _streams(address: str, user: str, password: str) -> list[str]:
    from pipeline.sources.onvif.device import chosen, offered

    try:
        streams = offered(address, user, password).streams
    except SourceError as error:
        return [str(error)]
    main, sub = chosen(streams)
    uses = {main: "main stream", sub: "sub-stream"}
    return [
        f"{uses.get(one.url, ''):12} {one.codec}, {one.size[0]} x {one.size[1]}, "
        f"{one.rate:.0f} pictures/s  {one.url}"
        for one in streams
    ]


def shown(offer: Offer) -> str:
    """One stream in a line."""
    width, height = offer.size
    often = f"every {offer.key_s:.1f} s" if offer.key_s else f"rarer than {offer.watched_s:.0f} s"
    return (
        f"{offer.codec}, {width} x {height}, {offer.rate:.1f} pictures/s, "
        f"{offer.bits / 1e6:.2f} Mbit/s, key frame {often}, "
        f"B-frames {'yes' if offer.b_frames else 'no'}, "
        f"clock {'told' if offer.reports else 'not told'}"
    )
