"""Other weights in the place of registered ones: what INT8 for TensorRT costs, what a training
brought."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from engines import zoo


@contextmanager
def weights(pairs: Sequence[str]) -> Iterator[None]:
    """Within it the registry has other ONNX files for some models: ``NAME=FILE`` each.

    Raises:
        ModelFileError: no such model.
        OSError: no such file.
    """
    shipped, registered = zoo.PACKS, dict(zoo.MODELS)
    with TemporaryDirectory() as folder:
        for pair in pairs:
            name, _, file = pair.partition("=")
            spec = zoo.find(name)
            here = Path(folder) / name
            shutil.copytree(shipped / name, here)
            shutil.copyfile(file, here / "model.onnx")
            digest = hashlib.sha256((here / "model.onnx").read_bytes()).hexdigest()
            zoo.MODELS[name] = replace(spec, sha256=digest)
        for path in shipped.iterdir():
            if not (Path(folder) / path.name).exists():
                (Path(folder) / path.name).symlink_to(path)
        zoo.PACKS = Path(folder)
        try:
            yield
        finally:
            zoo.PACKS = shipped
            zoo.MODELS.update(registered)
