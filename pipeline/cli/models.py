"""``threadline models``: what is shipped, and what is built from it for this or another machine."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from engines.trt.build import Batch
from engines.trt.build import Progress as Report
from engines.trt.plans import Plans
from engines.zoo import MODELS, find, verify
from pipeline.cli import doctor
from pipeline.cli.errors import errors, explained
from pipeline.errors import ConfigError
from pipeline.models.building import PRECISIONS, Wanted, build_plan
from pipeline.models.opening import plans_folder
from pipeline.models.quantising import quantised

app = typer.Typer(no_args_is_help=True, help="The models: what is shipped, built and checked.")
ImagesOption = Annotated[
    Path | None, typer.Option("--images", help="Pictures to compare on and take INT8 ranges from.")
]
CacheOption = Annotated[
    Path | None, typer.Option("--cache", help="Folder of the plans; else ~/.cache/threadline.")
]


@app.command("list")
def list_models(
    shipped: Annotated[bool, typer.Option("--shipped", help="Only models in the package.")] = False,
    names: Annotated[bool, typer.Option("--names", help="Names only.")] = False,
) -> None:
    """List the registered models."""
    for spec in MODELS.values():
        if shipped and not spec.shipped:
            continue
        size = f"{spec.size[0]}x{spec.size[1]}"
        row = f"{spec.name:<20} {spec.task:<18} {size:<8} {spec.licence}"
        typer.echo(spec.name if names else row)


@app.command("show")
def show_model(name: str) -> None:
    """Show a model's contract, origin and card."""
    with explained():
        spec = find(name)
        for key in ("name", "task", "path", "sha256", "licence", "source", "outputs"):
            typer.echo(f"{key:<8} {getattr(spec, key)}")
        typer.echo(f"input    images uint8 RGB (N, {spec.size[1]}, {spec.size[0]}, 3)")
        if spec.card.exists():
            typer.echo(f"\n{spec.card.read_text(encoding='utf-8')}")


@app.command("pull")
def pull_model(name: str) -> None:
    """Make sure a model is here. Every registered model is part of the package."""
    with explained():
        typer.echo(f"{name}: shipped with threadline, nothing to download; {verify(find(name))}")


@app.command("check")
def check_model(name: str) -> None:
    """Verify a model's file and run it once on every installed engine."""
    with explained():
        doctor.check_model(find(name), Console())


@app.command("build")
def build_model(
    name: str,
    engine: Annotated[str, typer.Option("--engine", help="What it is built for.")] = "tensorrt",
    precision: Annotated[str, typer.Option("--precision", help="f32, f16 (fp16) or int8.")] = "f16",
    batch: Annotated[str, typer.Option("--batch", help="Pictures: least:usual:most.")] = "1:1:8",
    target: Annotated[
        str, typer.Option("--target", help="GPUs by compute capability, e.g. sm86,sm89; else this.")
    ] = "",
    images: ImagesOption = None,
    cache: CacheOption = None,
    lenient: Annotated[
        bool, typer.Option("--lenient", help="Keep it even if it says something else.")
    ] = False,
) -> None:
    """Build a model for TensorRT; what is built already is only checked."""
    with explained():
        if engine != "tensorrt":
            raise ConfigError(f"--engine {engine}: only tensorrt is built for ahead")
        named = precision.lower().replace("fp", "f")
        if named not in PRECISIONS:
            raise ConfigError(f"--precision {precision}: must be one of {', '.join(PRECISIONS)}")
        try:
            counts = Batch.parse(batch)
        except ValueError as error:
            raise ConfigError(f"--{error}") from None
        targets = tuple(part.strip().lower() for part in target.split(",") if part.strip())
        asked = next(p for p in PRECISIONS if p == named)
        wanted = Wanted(find(find(name).in_float), asked, counts, targets, images, not lenient)
        with _bar(name) as report:
            path = build_plan(wanted, Plans(plans_folder(str(cache or ""))), report, errors.print)
        about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        typer.echo(f"{path}")
        typer.echo(f"parity   {json.dumps(about['parity'])}")


@app.command("quantize")
def quantize_model(
    name: str,
    images: Annotated[Path, typer.Option("--images", help="Pictures like those it will see.")],
    out: Annotated[Path | None, typer.Option("--out", help="Write the INT8 file here.")] = None,
) -> None:
    """Say what INT8 would change in a model, layer by layer, and write it."""
    with explained():
        with tempfile.TemporaryDirectory() as folder:
            written = out or Path(folder) / "int8.onnx"
            report = quantised(find(find(name).in_float), images, written, measure=True)
        typer.echo("own dB  all dB  tensor")
        for loss in report.layers[:15]:
            typer.echo(f"{loss.own:6.1f}  {loss.whole:6.1f}  {loss.tensor}")
        typer.echo(f"in float {report.in_float} of {report.convolutions} convolutions")
        typer.echo(f"parity   {json.dumps(report.parity.record('int8'))}")
        if out is not None:
            typer.echo(f"{out}")


@contextmanager
def _bar(name: str) -> Iterator[Report]:
    """A progress bar on standard error, fed by TensorRT."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task(f"building {name}", total=1.0)

        def report(phase: str, share: float) -> bool:
            bar.update(task, description=f"{name}: {phase.lower()}", completed=share)
            return True

        yield report
