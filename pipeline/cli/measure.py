"""``threadline measure``: a camera's plane calibrated, for sizes in cm."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer
import yaml

from pipeline.cli.errors import explained, plain, start_logging
from pipeline.errors import ConfigError, SourceRefusedError, source_name
from pipeline.files import make_folder, replace_file
from pipeline.picture.still import load_image
from pipeline.settings.file import load
from pipeline.sources import open_source
from pipeline.sources.camera import CameraSettings
from pipeline.sources.location import is_picture
from pipeline.tagging.measures.board import Board, lens_of, plane_of_board
from pipeline.tagging.measures.drawing import with_grid
from pipeline.tagging.measures.plane import Lens, Plane, PlaneSettings, plane_of_rectangle
from pipeline.types import Rgb

app = typer.Typer(no_args_is_help=True, help="Sizes in cm: calibrate a camera's plane.")
#: Pictures of a recording in which a board is looked for, and seconds between them.
_VIEWS = 24
_GAP_S = 0.5
#: The whole picture, as an area in which people and motion do not count.
_ALL = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


@app.callback()
def _group() -> None:
    """Sizes in cm: calibrate a camera's plane, then ``threadline run --config`` what that wrote."""


@app.command("calibrate")
def calibrate(
    source: Annotated[str, typer.Argument(help="A camera, a recording or a picture.")],
    rectangle: Annotated[
        str | None,
        typer.Option(help='Corners in pixels, in turn: "x,y x,y x,y x,y".'),
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="Its sides in cm, the first from corner 1 to 2: 40x30.")
    ] = None,
    error: Annotated[
        float, typer.Option(min=0, max=20, help="How badly drawn: percent of a side.")
    ] = 1.0,
    board: Annotated[
        str | None,
        typer.Option(help="A printed chessboard lying on the plane, by inner corners: 9x6."),
    ] = None,
    square: Annotated[str | None, typer.Option(help="Side of its squares: 25mm, 2.5cm.")] = None,
    markers: Annotated[
        str, typer.Option(help="It is a ChArUco board of this dictionary, by squares: 4X4_50.")
    ] = "",
    lens: Annotated[
        bool, typer.Option("--lens", help="Tell the lens from many views of the board, too.")
    ] = False,
    people: Annotated[
        bool, typer.Option("--people", help="The plane is a floor: measure people, not objects.")
    ] = False,
    out: Annotated[Path, typer.Option("--out", "-o", help="Settings file to write.")] = Path(
        "measures.yaml"
    ),
) -> None:
    """Calibrate the plane a camera sees, by a rectangle or a board of known size that lies on it.

    Writes settings for the camera, and beside them its picture, once more with a grid drawn on it.
    """
    start_logging()
    with explained():
        if (rectangle is None) == (board is None):
            raise ConfigError("name one of --rectangle (with --size) and --board (with --square)")
        if board is not None:
            plane, picture = _by_board(source, _board(board, square, markers), lens)
        else:
            if size is None:
                raise ConfigError("--rectangle needs --size, its sides in cm: 40x30")
            if lens:
                raise ConfigError("--lens needs a --board, seen in many ways")
            picture = _pictures(source, 1)[0]
            shape = (picture.shape[1], picture.shape[0])
            plane = plane_of_rectangle(
                _corners(rectangle or ""), _pair(size, "size"), shape, error / 100
            )
        _write(source, plane, picture, people, out)


def _write(source: str, plane: PlaneSettings, picture: Rgb, people: bool, out: Path) -> None:
    clean, drawn = out.with_suffix(".png"), out.with_suffix(".grid.png")
    if Path(source).resolve() in {path.resolve() for path in (out, clean, drawn)}:
        raise ConfigError(f"{source}: is read; name another --out")
    measures: dict[str, Any] = {
        "enabled": True,
        "plane": plane.model_dump(mode="json", exclude_none=True),
        "reference": str(clean),
        "objects": not people,
        "heights": people,
    }
    camera: dict[str, Any] = {"id": source_name(source), "url": source, "measures": measures}
    settings: dict[str, Any] = {"cameras": [camera]}
    if not people:  # nobody is looked for on a belt
        camera["exclude"] = [[list(corner) for corner in _ALL]]
        settings |= {"garments": {"enabled": False}, "logos": {"enabled": False}}
    make_folder(out.parent)
    grid = with_grid(picture, Plane(plane, (picture.shape[1], picture.shape[0])))
    replace_file(clean, _png(picture), private=True)
    replace_file(drawn, _png(grid), private=True)
    replace_file(out, yaml.safe_dump(settings, sort_keys=False, allow_unicode=True).encode())
    load(out, {}, None)  # what is written can be read
    share = Plane(plane, plane.picture).typical_error()
    typer.echo(f"lengths near the calibrated place: off by about {share:.1%} for its sake")
    typer.echo(plain(f"{out}: settings; {drawn}: check that the grid lies on the plane"))
    typer.echo(plain(f"next: threadline run --config {out} --out out/"))


def _png(picture: Rgb) -> bytes:
    return bytes(cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))[1])


def _by_board(source: str, board: Board, lens: bool) -> tuple[PlaneSettings, Rgb]:
    """The plane of the first picture that shows the board."""
    pictures = _pictures(source, _VIEWS if lens or not is_picture(source) else 1)
    views, first = [], None
    for picture in pictures:
        view = board.find(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))
        if view is not None:
            views.append(view)
            first = picture if first is None else first
        if first is not None and not lens:
            break
    if first is None:
        raise ConfigError(
            f"{source}: no board with {board.across} x {board.down} "
            f"{'squares' if board.markers else 'inner corners'} in view; all of it must be, "
            "flat, sharp and well lit"
        )
    shape = (first.shape[1], first.shape[0])
    known: Lens | None = lens_of(views, shape) if lens else None
    return plane_of_board(views[0], shape, known), first


def _pictures(source: str, most: int) -> list[Rgb]:
    """The first picture of a source, or up to ``most``, some time apart."""
    if is_picture(source):
        return [np.ascontiguousarray(load_image(Path(source))[..., ::-1])]
    found: list[Rgb] = []
    at = float("-inf")
    with open_source(CameraSettings(url=source)) as opened:
        for frame in opened:
            if frame.pts >= at + _GAP_S:
                at = frame.pts
                found.append(frame.rgb())
            if len(found) == most:
                break
    if not found:
        raise SourceRefusedError(f"{source}: no picture in it")
    return found


def _corners(text: str) -> tuple[tuple[float, float], ...]:
    try:
        found = tuple((float(x), float(y)) for x, y in (pair.split(",") for pair in text.split()))
    except ValueError:
        raise ConfigError(f"--rectangle {text!a}: write four corners as x,y x,y x,y x,y") from None
    if len(found) != 4:
        raise ConfigError(f"--rectangle {text!a}: has {len(found)} corners; write four")
    return found


def _pair(text: str, option: str) -> tuple[float, float]:
    try:
        one, other = (float(side) for side in text.lower().split("x"))
    except ValueError:
        raise ConfigError(f"--{option} {text!a}: write two numbers, such as 40x30") from None
    return one, other


def _board(text: str, square: str | None, markers: str) -> Board:
    if square is None:
        raise ConfigError("--board needs --square, the side of its squares: 25mm")
    number, factor = square.lower().strip(), 1.0
    for unit, value in (("mm", 0.1), ("cm", 1.0), ("in", 2.54)):
        if number.endswith(unit):
            number, factor = number.removesuffix(unit), value
            break
    try:
        side = float(number) * factor
    except ValueError:
        raise ConfigError(f"--square {square!a}: write a length, such as 25mm") from None
    across, down = _pair(text, "board")
    if across != int(across) or down != int(down):
        raise ConfigError(f"--board {text!a}: write two whole numbers, such as 9x6")
    return Board(int(across), int(down), side, markers.upper())
