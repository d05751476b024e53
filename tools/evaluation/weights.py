"""Other weights in the place of shipped ones: what INT8 for TensorRT costs, what a training
brought."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

from training.pack_file import FILE, refresh

from engines.packs import Pack, Packs, read_pack, shipped

#: End of the name under which other weights are a pack of their own.
MEASURED = "-measured"


@contextmanager
def weights(pairs: Sequence[str]) -> Iterator[Packs]:
    """The shipped packs, some of them with other ONNX files: ``NAME=FILE`` each.

    What is found under such a name is a pack called ``NAME-measured``, alone with others of its
    kind in a folder that serves as ``--packs`` and is gone afterwards.

    Raises:
        PackError: no such pack.
        OSError: no such file.
    """
    found = dict(shipped().by_name)
    with TemporaryDirectory() as folder:
        for pair in pairs:
            name, _, file = pair.partition("=")
            pack = _measured(shipped().find(name), Path(file), Path(folder))
            found |= {name: pack, pack.name: pack}
        yield Packs(MappingProxyType(found), MappingProxyType({}))


def _measured(pack: Pack, model: Path, place: Path) -> Pack:
    """A pack with another model, as a pack of its own."""
    folder = place / f"{pack.name}{MEASURED}"
    shutil.copytree(pack.folder, folder)
    shutil.copyfile(model, folder / pack.path.name)
    text = (folder / FILE).read_text(encoding="utf-8")
    text = text.replace(f'name = "{pack.name}"', f'name = "{folder.name}"', 1)
    (folder / FILE).write_text(text, encoding="utf-8")
    refresh(folder)
    return read_pack(folder)
