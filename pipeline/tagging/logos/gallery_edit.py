"""Changing a gallery: brands in, brands out, what looks alike."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from engines.packs import Pack
from pipeline.errors import PipelineError, SinkError
from pipeline.files import in_turn, make_folder, replace_file
from pipeline.picture.still import load_image
from pipeline.tagging.logos.colours import own_hues
from pipeline.tagging.logos.exemplars import VIEWS, views
from pipeline.tagging.logos.gallery import Gallery, as_it_is
from pipeline.tagging.logos.gallery_file import (
    F32,
    INDEX,
    MOST_FILES,
    BrandEntry,
    GalleryError,
    Index,
    PictureEntry,
    brand_name,
)
from pipeline.tagging.logos.marks import MarkError, doubtful, read_mark
from pipeline.types import Box

#: Embeds crops: RGB (n, side, side, 3) uint8 in, unit vectors (n, length) float32 out.
Embed = Callable[[npt.NDArray[np.uint8]], F32]
#: Least side in pixels of a mark cut from a photo.
LEAST_BOX = 8
#: Seconds to wait for others who change the gallery.
PATIENCE_S = 60.0
#: Likeness from which pictures of two brands are taken to be the same mark.
SAME_MARK = 0.97
#: Likeness from which two brands look alike.
ALIKE = 0.80
#: Likeness under which a brand's picture has little to do with its others.
STRANGE = 0.35
#: Endings of files that may hold a mark.
ENDINGS = (".svg", ".png", ".jpg", ".jpeg")


@dataclass(frozen=True, slots=True)
class NewPicture:
    """A picture on its way into a gallery."""

    brand: str
    path: Path
    content: bytes
    vectors: F32
    hues: tuple[int, ...] = ()
    doubt: str = ""

    @property
    def file(self) -> str:
        digest = hashlib.sha256(self.content).hexdigest()[:16]
        return f"marks/{digest}{self.path.suffix.lower()}"


def read_picture(brand: str, path: Path, embed: Embed, side: int) -> NewPicture:
    """Read and embed one picture of a brand.

    Raises:
        GalleryError: the name or the file cannot be used.
    """
    name = brand_name(brand)
    try:
        mark = read_mark(path)
        shown = np.stack(views(mark, side))
        content, hues = path.read_bytes(), tuple(own_hues(mark))
        return NewPicture(name, path, content, embed(shown), hues, doubtful(path))
    except (MarkError, OSError) as error:
        raise GalleryError(str(error)) from None


def read_photo(brand: str, path: Path, box: Box, embed: Embed, side: int) -> NewPicture:
    """Read and embed the part of a photo that shows a brand's mark: ``box`` xyxy in its pixels.

    Raises:
        GalleryError: the name, the file or the box cannot be used.
    """
    name = brand_name(brand)
    try:
        image = load_image(path)
    except PipelineError as error:
        raise GalleryError(str(error)) from None
    height, width = image.shape[:2]
    x0, y0 = max(round(box[0]), 0), max(round(box[1]), 0)
    x1, y1 = min(round(box[2]), width), min(round(box[3]), height)
    if x1 - x0 < LEAST_BOX or y1 - y0 < LEAST_BOX:
        raise GalleryError(
            f"{path}: box {_told(box)} is not on it; it has {width} x {height} pixels"
        )
    _, packed = cv2.imencode(".png", image[y0:y1, x0:x1])
    mark = np.dstack([image[y0:y1, x0:x1, ::-1], np.full((y1 - y0, x1 - x0), 255, np.uint8)])
    shown = np.stack(views(mark, side))
    return NewPicture(name, path.with_suffix(".png"), packed.tobytes(), embed(shown))


def _told(box: Box) -> str:
    x0, y0, x1, y1 = (round(v) for v in box)
    return f"{x0},{y0},{x1 - x0},{y1 - y0}"


def marks_in(folder: Path) -> list[Path]:
    """Files that may hold a mark, by name, in a folder but not in those inside of it.

    Raises:
        GalleryError: there is no such folder, or nothing in it.
    """
    try:
        found = sorted(p for p in folder.iterdir() if p.suffix.lower() in ENDINGS and p.is_file())
    except OSError as error:
        raise GalleryError(f"{folder}: {error.strerror or error}") from None
    if not found:
        raise GalleryError(f"{folder}: no mark in it; put {', '.join(ENDINGS)} files there")
    return found


def add(gallery: Gallery, pictures: Sequence[NewPicture]) -> tuple[Gallery, list[str]]:
    """The gallery with more pictures, written to its folder, and what is odd about them.

    Pictures that are there already are left out. What others changed meanwhile stays.

    Raises:
        GalleryError: a brand has too many pictures.
        SinkError: the folder cannot be written.
    """
    with in_turn(gallery.folder, PATIENCE_S):
        return _added(as_it_is(gallery), pictures)


def _added(gallery: Gallery, pictures: Sequence[NewPicture]) -> tuple[Gallery, list[str]]:
    entries = {brand.name: list(brand.files) for brand in gallery.index.brands}
    vectors = {name: [gallery.of(i)] for i, name in enumerate(gallery.names)}
    owners = {picture.file: name for name, files in entries.items() for picture in files}
    warnings: list[str] = []
    make_folder(gallery.folder / "marks")
    for picture in pictures:
        owner = owners.get(picture.file)
        if owner == picture.brand:
            warnings.append(f"{picture.path}: {owner} has this picture already")
            continue
        if picture.doubt:
            warnings.append(f"{picture.path}: {picture.doubt}")
        twin = owner or _twin(gallery, picture)
        if twin is not None and twin != picture.brand:
            warnings.append(f"{picture.path}: the mark of {twin}; cameras cannot tell them apart")
        if len(entries.get(picture.brand, ())) >= MOST_FILES:
            raise GalleryError(f"{picture.brand}: {MOST_FILES} pictures are enough; remove some")
        replace_file(gallery.folder / picture.file, picture.content)
        entry = PictureEntry(file=picture.file, source=picture.path.name, hues=list(picture.hues))
        entries.setdefault(picture.brand, []).append(entry)
        vectors.setdefault(picture.brand, []).append(picture.vectors)
        owners[picture.file] = picture.brand
    return _written(gallery, entries, vectors), warnings


def remove(gallery: Gallery, names: Iterable[str]) -> Gallery:
    """The gallery without some brands, written to its folder.

    Raises:
        GalleryError: there is no such brand.
        SinkError: the folder cannot be written.
    """
    gone = {brand_name(name) for name in names}
    with in_turn(gallery.folder, PATIENCE_S):
        gallery = as_it_is(gallery)
        missing = sorted(gone - set(gallery.names))
        if missing:
            raise GalleryError(
                f"{gallery.folder}: no brand {missing[0]!r}; see: threadline gallery list"
            )
        entries = {b.name: list(b.files) for b in gallery.index.brands if b.name not in gone}
        vectors = {n: [gallery.of(i)] for i, n in enumerate(gallery.names) if n not in gone}
        return _written(gallery, entries, vectors)


def rebuilt(gallery: Gallery, embed: Embed, side: int, model: Pack) -> Gallery:
    """The gallery embedded anew from its own files, by another model, written to its folder.

    Raises:
        GalleryError: a file is gone or cannot be used.
        SinkError: the folder cannot be written.
    """
    with in_turn(gallery.folder, PATIENCE_S):
        gallery = as_it_is(gallery)
        entries: dict[str, list[PictureEntry]] = {}
        vectors: dict[str, list[F32]] = {}
        for brand in gallery.index.brands:
            for old in brand.files:
                new = read_picture(brand.name, gallery.folder / old.file, embed, side)
                entry = old.model_copy(update={"hues": list(new.hues)})
                entries.setdefault(brand.name, []).append(entry)
                vectors.setdefault(brand.name, []).append(new.vectors)
        index = gallery.index.model_copy(update={"model": model.name, "sha256": model.sha256})
        return _written(replace(gallery, index=index), entries, vectors)


def _twin(gallery: Gallery, picture: NewPicture) -> str | None:
    """The brand whose picture is the same mark."""
    if not gallery.index.brands:
        return None
    brands, likeness = gallery.likeness(picture.vectors)
    return gallery.names[brands[0, 0]] if float(np.median(likeness[:, 0])) >= SAME_MARK else None


def _written(
    gallery: Gallery,
    entries: dict[str, list[PictureEntry]],
    vectors: dict[str, list[F32]],
) -> Gallery:
    """Write array, then index, then clear away what neither names."""
    names = sorted(entries, key=str.casefold)
    rows = [part for name in names for part in vectors[name]]
    array = np.concatenate(rows).astype(np.float16) if rows else np.zeros((0, 1), np.float16)
    packed = io.BytesIO()
    np.save(packed, array, allow_pickle=False)
    name = f"vectors-{hashlib.sha256(packed.getvalue()).hexdigest()[:16]}.npy"
    index = Index(
        model=gallery.index.model,
        sha256=gallery.index.sha256,
        vectors=name,
        brands=[BrandEntry(name=brand, files=entries[brand]) for brand in names],
    )
    replace_file(gallery.folder / name, packed.getvalue())
    replace_file(gallery.folder / INDEX, index.model_dump_json(indent=1).encode())
    _tidy(gallery.folder, index)
    return replace(gallery, index=index, vectors=array.astype(np.float32))


def _tidy(folder: Path, index: Index) -> None:
    wanted = {index.vectors} | {picture.file for b in index.brands for picture in b.files}
    for path in [*folder.glob("vectors-*.npy"), *(folder / "marks").glob("*")]:
        if path.relative_to(folder).as_posix() not in wanted:
            try:
                path.unlink()
            except OSError as error:
                raise SinkError(f"{path}: cannot be removed: {error.strerror or error}") from None


def look_alikes(gallery: Gallery) -> list[tuple[str, str, float]]:
    """Pairs of brands whose pictures look alike, the likest first: names and likeness."""
    names, found = gallery.names, []
    for brand in range(len(names)):
        if len(names) < 2:
            break
        others, likeness = gallery.likeness(gallery.of(brand))
        best: dict[int, float] = {}
        for other, score in zip(others.ravel().tolist(), likeness.ravel().tolist(), strict=True):
            best[other] = max(best.get(other, 0.0), score)
        found += [
            (names[brand], names[other], score)
            for other, score in best.items()
            if other > brand and score >= ALIKE
        ]
    return sorted(found, key=lambda pair: -pair[2])


def strange_pictures(gallery: Gallery) -> list[tuple[str, str, float]]:
    """Pictures unlike their brand's others: brand, the name the file came with, likeness."""
    found = []
    for i, brand in enumerate(gallery.index.brands):
        if len(brand.files) < 3:
            continue
        vectors = gallery.of(i).reshape(len(brand.files), VIEWS, -1)
        for j, picture in enumerate(brand.files):
            rest = np.delete(vectors, j, axis=0).reshape(-1, vectors.shape[2])
            likeness = float((vectors[j] @ rest.T).max())
            if likeness < STRANGE:
                found.append((brand.name, picture.source, likeness))
    return sorted(found, key=lambda row: row[2])
