"""``threadline gallery``: brands that cameras recognise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from rich.progress import track as progress

from engines.packs import Pack, shipped
from pipeline.cli.errors import complain, explained, warn
from pipeline.errors import SourceRefusedError
from pipeline.files import make_folder, replace_file
from pipeline.models.opening import EngineSettings, Models
from pipeline.picture.crop import clip_box
from pipeline.picture.still import load_image
from pipeline.picture.yuv import from_bgr
from pipeline.tagging.logos.decision import LEVELS, Level
from pipeline.tagging.logos.exemplars import views
from pipeline.tagging.logos.gallery import Gallery, open_gallery
from pipeline.tagging.logos.gallery_edit import (
    SAME_MARK,
    NewPicture,
    add,
    look_alikes,
    marks_in,
    read_photo,
    read_picture,
    rebuilt,
    remove,
    strange_pictures,
)
from pipeline.tagging.logos.gallery_file import GalleryError, brand_name
from pipeline.tagging.logos.marks import read_mark
from pipeline.tagging.logos.reader import Embedder
from pipeline.tagging.logos.tagger import LogoSettings, finder
from pipeline.tagging.tiles import tiles
from pipeline.types import Box, Frame

app = typer.Typer(no_args_is_help=True, help="Brands that cameras recognise, by pictures of them.")
FolderOption = Annotated[Path, typer.Option("--gallery", help="Folder of the gallery.")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="Only errors.")]

#: Where a gallery is unless another folder is named.
FOLDER = Path("gallery")
DrawOption = Annotated[Path | None, typer.Option("--draw", help="Write a contact sheet, PNG.")]
#: Brands that are named as taken wrongly.
MOST_NAMED = 10
#: Side in pixels of a picture on a contact sheet.
_CELL = 96


@dataclass(slots=True)
class _Work:
    """A gallery being worked on, and what embeds for it."""

    gallery: Gallery
    embed: Embedder
    models: Models

    def put(self, wanted: list[tuple[str, Path]], quiet: bool) -> int:
        """Add pictures to brands; how many files could not be used."""

        def read(brand: str, path: Path) -> NewPicture:
            return read_picture(brand, path, self.embed, self.embed.size[0])

        return self._add(wanted, read, quiet)

    def cut(self, wanted: list[tuple[str, Path]], box: Box | None, quiet: bool) -> int:
        """Add parts of photos to brands: a box xyxy, or what is found on each; how many files could
        not be used."""

        def read(brand: str, path: Path) -> NewPicture:
            place = box or _surest(path, self.models)
            x0, y0, x1, y1 = (round(v) for v in place)
            if not quiet:
                typer.echo(f"{path}: the mark at {x0},{y0},{x1 - x0},{y1 - y0}")
            return read_photo(brand, path, place, self.embed, self.embed.size[0])

        return self._add(wanted, read, quiet)

    def _add(
        self, wanted: list[tuple[str, Path]], read: Callable[[str, Path], NewPicture], quiet: bool
    ) -> int:
        failures, pictures = 0, []
        for brand, path in progress(wanted, "embedding", disable=quiet, transient=True):
            try:
                pictures.append(read(brand, path))
            except (GalleryError, SourceRefusedError) as error:
                failures += 1
                complain(str(error))
        self.gallery, warnings = add(self.gallery, pictures)
        for line in warnings:
            warn(line)
        if not quiet:
            _report(self.gallery)
        return failures


def _surest(path: Path, models: Models) -> Box:
    """The mark found most surely on a photo, searched as ``threadline tag`` does.

    Raises:
        GalleryError: there is none, or the file is no picture.
    """
    find = finder(models, LogoSettings().tile_detector)
    frame = Frame("", 0, 0.0, 0.0, 0.0, from_bgr(load_image(path)))
    windows = tiles(frame.width, frame.height, find.size)
    places, _ = find(frame, windows, LogoSettings().tile_score)
    if not places:
        raise GalleryError(f"{path}: no mark is found on it; say where it is: --box x,y,w,h")
    return clip_box(places[0], frame)


def _report(gallery: Gallery) -> None:
    typer.echo(f"{len(gallery.names)} brands in {gallery.folder}/")


@contextmanager
def _work(folder: Path, check: bool = True) -> Iterator[_Work]:
    with explained(), ExitStack() as stack:
        gallery = open_gallery(folder, _embedder(), check)
        models = stack.enter_context(Models(EngineSettings(), shipped()))
        yield _Work(gallery, Embedder(*models.open(_embedder().name)), models)


def _embedder() -> Pack:
    """The pack whose embeddings a gallery holds."""
    return shipped().find(LogoSettings().embedder)


def _read(folder: Path) -> Gallery:
    return open_gallery(folder, _embedder(), check=False)


@app.command("add")
def add_pictures(
    brand: str,
    files: list[Path],
    folder: FolderOption = FOLDER,
    quiet: QuietOption = False,
    box: Annotated[
        str, typer.Option("--box", help="Where the mark is on a photo: x,y,w,h in pixels.")
    ] = "",
    find: Annotated[
        bool, typer.Option("--find", help="Take the surest mark that is found on each photo.")
    ] = False,
) -> None:
    """Add pictures of a brand: SVG, PNG, or photos cut out around the mark, by hand or here."""
    with _work(folder) as work:
        if box or find:
            where = _box(box) if box else None
            failures = work.cut([(brand, path) for path in files], where, quiet)
        else:
            failures = work.put([(brand, path) for path in files], quiet)
    raise typer.Exit(1 if failures else 0)


def _box(text: str) -> Box:
    """A box xyxy from x,y,w,h.

    Raises:
        GalleryError: it is none.
    """
    try:
        x, y, width, height = (float(part) for part in text.split(","))
    except ValueError:
        raise GalleryError(f"--box {text}: give x,y,w,h in pixels, as in 120,80,60,60") from None
    return x, y, x + width, y + height


@app.command("import-svg")
def import_marks(
    marks: Annotated[Path, typer.Argument(help="Folder of marks, a brand each.")],
    folder: FolderOption = FOLDER,
    quiet: QuietOption = False,
) -> None:
    """Add every mark of a folder, SVG or picture, as a brand named like its file."""
    with _work(folder) as work:
        failures = work.put([(path.stem, path) for path in marks_in(marks)], quiet)
    raise typer.Exit(1 if failures else 0)


@app.command("list")
def list_brands(folder: FolderOption = FOLDER) -> None:
    """List the brands and how many pictures each has."""
    with explained():
        for brand in _read(folder).index.brands:
            typer.echo(f"{brand.name}\t{len(brand.files)}")


@app.command("show")
def show_brand(brand: str, folder: FolderOption = FOLDER, draw: DrawOption = None) -> None:
    """Show the pictures of a brand and the brands nearest to it."""
    with explained():
        gallery = _read(folder)
        if brand_name(brand) not in gallery.names:
            raise GalleryError(f"{folder}: no brand {brand!r}; list shows those there are")
        at = gallery.names.index(brand_name(brand))
        entry = gallery.index.brands[at]
        for picture in entry.files:
            typer.echo(f"{folder / picture.file}\tfrom {picture.source}")
        others, likeness = gallery.likeness(gallery.of(at))
        near: dict[int, float] = {}
        for other, score in zip(others.ravel().tolist(), likeness.ravel().tolist(), strict=True):
            near[other] = max(near.get(other, 0.0), score)
        near.pop(at, None)
        for other in sorted(near, key=lambda i: -near[i])[:5]:
            typer.echo(f"{near[other]:.2f}\t{gallery.names[other]}")
        if draw is not None:
            _draw(draw, [folder / picture.file for picture in entry.files])


@app.command("remove")
def remove_brands(
    brands: list[str], folder: FolderOption = FOLDER, quiet: QuietOption = False
) -> None:
    """Remove brands and their pictures."""
    with explained():
        gallery = remove(_read(folder), brands)
        if not quiet:
            _report(gallery)


@app.command("check")
def check_gallery(
    folder: FolderOption = FOLDER,
    strict: Annotated[bool, typer.Option("--strict", help="Name those at strict.")] = False,
    normal: Annotated[bool, typer.Option("--normal", help="At normal: the default.")] = False,
    lenient: Annotated[bool, typer.Option("--lenient", help="At lenient.")] = False,
) -> None:
    """Report which brands look alike, which pictures are unlike their brand's others, and how many
    marks of others would be taken for these brands at each level of logos.sure, and for which."""
    named = [name for name, on in zip(LEVELS, (strict, normal, lenient), strict=True) if on]
    with explained():
        gallery = open_gallery(folder, _embedder())
        alike, strange = look_alikes(gallery), strange_pictures(gallery)
        for one, other, likeness in alike:
            what = "the same mark" if likeness >= SAME_MARK else "look alike"
            typer.echo(f"{likeness:.2f}\t{one}\t{other}\t{what}")
        for brand, file, likeness in strange:
            typer.echo(f"{likeness:.2f}\t{brand}\t{file}\tunlike the brand's other pictures")
        for each in LEVELS:
            _accepts(gallery, each, each in (named or ["normal"]))
        typer.echo(
            f"{len(gallery.names)} brands: {len(alike)} pairs look alike, "
            f"{len(strange)} pictures are odd"
        )


def _accepts(gallery: Gallery, level: Level, named: bool) -> None:
    """A line on how often a level is wrong, and the brands it is wrong with."""
    taken, count = gallery.mistaken(level)
    typer.echo(f"{level}\t{len(taken)} of {count} marks and things of others taken for a brand")
    for brand, times in Counter(taken).most_common(MOST_NAMED) if named else ():
        typer.echo(f"\t{times}\tfor {brand}")


@app.command("rebuild")
def rebuild_gallery(folder: FolderOption = FOLDER, quiet: QuietOption = False) -> None:
    """Embed all pictures anew, for the model of this version."""
    with _work(folder, check=False) as work:
        model = _embedder()
        gallery = rebuilt(work.gallery, work.embed, work.embed.size[0], model)
        if not quiet:
            _report(gallery)


def _draw(path: Path, files: list[Path]) -> None:
    """A contact sheet of marks, on light and on dark."""
    rows = [np.hstack(views(read_mark(file), _CELL)) for file in files]
    _, packed = cv2.imencode(".png", cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))
    make_folder(path.parent)
    replace_file(path, packed.tobytes())
