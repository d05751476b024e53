"""Check that a wheel holds what runs and nothing else.

    python tools/check_wheel.py threadline-0.1.0-py3-none-any.whl

It has to hold every file of pipeline/ and engines/, with all that the packs name; no module in it
may import what is not in it, and none but those that teach or are pulled may import PyTorch, which
the base does not bring. Ends with 1 if not.
"""

from __future__ import annotations

import argparse
import ast
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from lowest_versions import tomllib

ROOT = Path(__file__).parent.parent
PACKAGES = ("pipeline", "engines")
#: Folders of what teaches, which needs the extra `train`.
TEACHING = ("engines/nets/", "engines/teach/")
#: Folder of published models: who pulls one has PyTorch.
PULLED = "engines/published/"
#: Modules outside of them that may import them, in a function, once PyTorch is known to be there.
TEACHERS = ("pipeline/cli/teach.py",)
#: What imports no PyTorch there, so that anybody may import it.
LIGHT = ("engines.teach.lengths", "engines.teach.lesson")
#: Of other folders of this repository, which no module may import.
FOREIGN = {"tools", "tests", "training", "benchmark", "evaluation", "peers", "fuzzing"}
METADATA = ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")


def wanted(root: Path = ROOT) -> set[str]:
    """Files a wheel has to hold, as they lie in the repository."""
    paths = [path for name in PACKAGES for path in (root / name).rglob("*") if path.is_file()]
    return {path.relative_to(root).as_posix() for path in paths if "__pycache__" not in path.parts}


def imported(source: str) -> Iterator[str]:
    """Dotted names of all that a module imports, in its functions as well."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def problems(files: Mapping[str, bytes], expected: set[str]) -> list[str]:
    """What a wheel of these files (name -> content) lacks, or should not hold."""
    own = {name for name in files if ".dist-info/" not in name}
    found = [f"{name} is missing" for name in sorted(expected - own)]
    found += [f"{name} does not belong in it" for name in sorted(own - expected)]
    about = {name.split(".dist-info/")[1] for name in files.keys() - own}
    found += [f"{name} is missing" for name in METADATA if name not in about]
    for name in sorted(own):
        if name.endswith("/pack.toml"):
            folder = name.rpartition("/")[0]
            needed = {*tomllib.loads(files[name].decode())["files"], "MODEL_CARD.md"}
            lacking = sorted(f"{folder}/{each}" for each in needed if f"{folder}/{each}" not in own)
            found += [f"{each}, of {name}, is missing" for each in lacking]
        elif name.endswith(".py"):
            for module in sorted(set(imported(files[name].decode()))):
                if module.split(".")[0] in FOREIGN:
                    found.append(f"{name} imports {module}, which is not in it")
                elif needs_torch(module) and not name.startswith((*TEACHING, *TEACHERS, PULLED)):
                    found.append(f"{name} imports {module}, which needs the extra `train`")
    return found


def needs_torch(module: str) -> bool:
    """Whether importing something may load PyTorch."""
    path = module.replace(".", "/") + "/"
    return module.split(".")[0] == "torch" or (
        path.startswith(TEACHING) and not f"{module}.".startswith(tuple(f"{m}." for m in LIGHT))
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path)
    with zipfile.ZipFile(parser.parse_args().wheel) as wheel:
        files = {name: wheel.read(name) for name in wheel.namelist()}
    found = problems(files, wanted())
    size = sum(map(len, files.values())) / 1e6
    print("\n".join([*found, f"{len(files)} files, {size:.0f} MB, {len(found)} problems"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
