"""``threadline models``: what there is, and what is built from it for this or another machine."""

from __future__ import annotations

import dataclasses
import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from engines import Pack, Packs, Precision, runs_plans
from engines.packs import open_packs, user_folder
from engines.published.recipes import RECIPES, Options, find_recipe
from engines.trt.build import Batch
from engines.trt.build import Progress as Report
from engines.trt.plans import Plans
from pipeline.cli import doctor
from pipeline.cli.errors import errors, explained, standard_output, warn
from pipeline.cli.options import PacksOption
from pipeline.cli.settings import packs as registry
from pipeline.errors import ConfigError
from pipeline.models.building import PRECISIONS, PlanRequest, build_plan, plan_engines
from pipeline.models.opening import plans_folder
from pipeline.models.pulling import pull
from pipeline.models.quantising import quantised

app = typer.Typer(no_args_is_help=True, help="The models: list, check, build and quantise them.")
NameArgument = Annotated[str, typer.Argument(help="A model's name, or the folder of a pack.")]
ImagesOption = Annotated[
    Path | None, typer.Option("--images", help="Pictures to compare on and take INT8 ranges from.")
]
CacheOption = Annotated[
    Path | None,
    typer.Option("--cache", help="Folder of the plans; else ~/.cache/threadline/plans."),
]
BuildForOption = Annotated[
    str | None, typer.Option("--engine", help="What runs the plan; else the first that can.")
]


def _packs(extra: Path | None) -> Packs:
    """The registry; a pack that is broken is one warning."""
    packs = open_packs(extra)
    for reason in packs.broken.values():
        warn(f"broken pack: {reason}")
    return packs


def _find(name: str, extra: Path | None) -> Pack:
    """A model by its name, or by the folder of its pack.

    Raises:
        PackError: there is none, or it is broken.
    """
    found, [own] = registry(extra, [name])
    return found.find(own)


@app.command("list")
def list_models(
    names: Annotated[bool, typer.Option("--names", help="Names only.")] = False,
    packs: PacksOption = None,
) -> None:
    """List all models: shipped, in --packs and in the user's data folder."""
    with explained():
        for pack in _packs(packs):
            size = f"{pack.size[0]}x{pack.size[1]}" if pack.size[0] else "-"
            row = f"{pack.name:<25} {pack.task:<18} {size:<8} {pack.licence}"
            typer.echo(pack.name if names else row)


@app.command("show")
def show_model(name: NameArgument, packs: PacksOption = None) -> None:
    """Show a model's contract, origin, figures and card."""
    with explained():
        pack = _find(name, packs)
        for key in ("name", "task", "path", "sha256", "licence", "terms", "source"):
            if value := getattr(pack, key):
                typer.echo(f"{key:<10} {value}")
        if pack.tagger is not None:
            for key, value in dataclasses.asdict(pack.tagger).items():
                typer.echo(f"{'tagger':<10} {key}: {value}")
        for kind, tensors in (("input", pack.inputs), ("output", pack.outputs)):
            for tensor in tensors:
                typer.echo(f"{kind:<10} {tensor}")
        for kind, numbers in (("threshold", pack.thresholds), ("figure", pack.figures)):
            for what, value in numbers.items():
                typer.echo(f"{kind:<10} {what}: {value:g}")
        if pack.card.is_file():
            typer.echo(f"\n{pack.card.read_text(encoding='utf-8', errors='replace')}")


@app.command("check")
def check_model(name: NameArgument, packs: PacksOption = None) -> None:
    """Verify a model's files and run it once on every engine that can run here."""
    with explained():
        doctor.check_model(_find(name, packs), standard_output())


@app.command("build")
def build_model(
    name: str,
    engine: BuildForOption = None,
    precision: Annotated[str, typer.Option("--precision", help="f32, f16 (fp16) or int8.")] = "f16",
    batch: Annotated[str, typer.Option("--batch", help="Pictures: least:usual:most.")] = "1:1:8",
    target: Annotated[
        str, typer.Option("--target", help="GPUs by compute capability, e.g. sm86,sm89; else this.")
    ] = "",
    images: ImagesOption = None,
    cache: CacheOption = None,
    lenient: Annotated[
        bool, typer.Option("--lenient", help="Keep the plan even if its outputs changed too much.")
    ] = False,
    packs: PacksOption = None,
) -> None:
    """Build a model's plan ahead of time; one that is there already is only checked."""
    with explained():
        request = PlanRequest(
            open_packs(packs).in_float(name),
            _precision(precision),
            _batch(batch),
            tuple(part.strip().lower() for part in target.split(",") if part.strip()),
            images,
            strict=not lenient,
            engine=_plan_engine(engine),
        )
        reasons: list[str] = []
        with _bar(name) as progress:
            plans = Plans(plans_folder(str(cache or "")))
            path = build_plan(request, plans, progress, reasons.append)
        errors.print("\n".join(reasons) or f"{path} is there already", markup=False, soft_wrap=True)
        about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        typer.echo(f"{path}")
        typer.echo(f"parity   {json.dumps(about['parity'])}")


def _plan_engine(name: str | None) -> str:
    if name is None:
        return plan_engines()[0]
    if not runs_plans(name):
        raise ConfigError(f"--engine {name}: plans are built for {', '.join(plan_engines())} only")
    return name


def _precision(text: str) -> Precision:
    named = text.lower().replace("fp", "f")
    for precision in PRECISIONS:
        if precision == named:
            return precision
    raise ConfigError(f"--precision {text}: must be one of {', '.join(PRECISIONS)}")


def _batch(text: str) -> Batch:
    try:
        return Batch.parse(text)
    except ValueError as error:
        raise ConfigError(f"--{error}") from None


@app.command("pull")
def pull_model(
    name: Annotated[str | None, typer.Argument(help="Which; without it, they are listed.")] = None,
    given: Annotated[
        Path | None, typer.Option("--from", help="Folder with its files, instead of the network.")
    ] = None,
    revision: Annotated[str, typer.Option("--revision", help="Of its repository.")] = "",
    size: Annotated[str, typer.Option("--size", help="Of its pictures: WIDTHxHEIGHT.")] = "",
    fit: Annotated[
        str, typer.Option("--fit", help="Size by the model's own rule for pictures WIDTHxHEIGHT.")
    ] = "",
    tags: Annotated[
        Path | None, typer.Option("--tags", help="File of the labels wanted, one a line.")
    ] = None,
    packs: Annotated[
        Path | None, typer.Option("--packs", help="Folder to put it in; else the user's own.")
    ] = None,
) -> None:
    """Fetch a published model, make a pack of it, and compare it with the original."""
    with explained():
        if name is None:
            for each in RECIPES.values():
                typer.echo(f"{each.name:<22} {each.where.split(' (')[0]:<42} {each.licence}")
            return
        recipe = find_recipe(name)
        folder = packs or user_folder()
        if recipe.terms:
            warn(f"{recipe.name}: {recipe.terms}")
        options = Options(_size(size), tags, _size(fit, "--fit"))
        cost = pull(recipe, folder, options, revision, given, _told)
        if cost is None:
            typer.echo(f"{folder / name} is there already, and whole; delete it to pull it anew")
            return
        typer.echo(f"{folder / name}")
        typer.echo(
            f"{cost.megabytes:.0f} MB, {cost.gflop:.1f} GFLOP a picture, {1000 * cost.seconds:.0f} "
            f"ms on {cost.engine}; within {cost.apart:.0e} of the original's outputs"
        )
        typer.echo(f"accuracy is not verified here; published: {recipe.targets}")


def _told(text: str) -> None:
    errors.print(text, markup=False, highlight=False, soft_wrap=True)


def _size(text: str, option: str = "--size") -> tuple[int, int]:
    if not text:
        return 0, 0
    match = re.fullmatch(r"([1-9]\d{1,3})x([1-9]\d{1,3})", text)
    if match is None:
        raise ConfigError(f"{option} {text}: must be WIDTHxHEIGHT in pixels, such as 288x512")
    return int(match[1]), int(match[2])


@app.command("quantize")
def quantize_model(
    name: str,
    images: Annotated[Path, typer.Option("--images", help="Pictures like those it will see.")],
    out: Annotated[Path | None, typer.Option("--out", help="Write the INT8 file here.")] = None,
    packs: PacksOption = None,
) -> None:
    """Show what INT8 would change in a model, layer by layer, and write the INT8 file."""
    with explained():
        pack = open_packs(packs).in_float(name)
        with tempfile.TemporaryDirectory() as folder:
            report = quantised(pack, images, out or Path(folder) / "int8.onnx", measure=True)
        typer.echo("own dB  all dB  tensor")
        for loss in report.layers[:15]:
            typer.echo(f"{loss.own:6.1f}  {loss.whole:6.1f}  {loss.tensor}")
        typer.echo(f"in float {report.in_float} of {report.convolutions} convolutions")
        typer.echo(f"parity   {json.dumps(report.parity.record('int8'))}")
        if out is not None:
            typer.echo(f"{out}")


@contextmanager
def _bar(name: str) -> Iterator[Report]:
    """A progress bar on standard error, fed by the build."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task(f"building {name}", total=1.0)

        def report(phase: str, share: float) -> bool:
            bar.update(task, description=f"{name}: {phase.lower()}", completed=share)
            return True

        yield report
