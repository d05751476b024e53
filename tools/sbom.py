"""Write what ``pip install threadline`` brings, with licences, and the models it ships: CycloneDX.

    make sbom                                       # out/sbom.json
    python tools/sbom.py --environment .venv/bin/python --out sbom.json

Without ``--environment`` the program is installed into a new environment, which is then described
by CycloneDX's own tool, installed into another. Added to what that finds: the models, and the
libraries that wheels bundle without saying so. Ends with 1 if something expected is missing or
something has no licence.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent.parent))

from lowest_versions import PROJECT, tomllib

from engines.packs import Pack, shipped

TOOL = "cyclonedx-bom>=7,<8"
#: Licences of packages whose metadata name none as such, read from the files they come with.
READ = {"protobuf": "BSD-3-Clause", "resvg_py": "MIT"}
#: Owner and name of bundled libraries whose licence is another than that of the wheel around them:
#: FFmpeg's as its ``avcodec_license()`` says.
BUNDLED = {
    **{("av", f"lib{name}"): "GPL-2.0-or-later" for name in ("x264", "x265")},
    **{
        ("av", f"lib{name}"): "LGPL-3.0-or-later"
        for name in [
            "avcodec",
            "avdevice",
            "avfilter",
            "avformat",
            "avutil",
            "swresample",
            "swscale",
        ]
    },
}

Component = dict[str, Any]


def licence(identifier: str) -> list[dict[str, Any]]:
    return [{"license": {"id": identifier, "acknowledgement": "concluded"}}]


def model(pack: Pack) -> Component:
    """A pack as a component."""
    name, _, _ = pack.licence.partition(" ")
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model:{pack.name}",
        "name": pack.name,
        "description": pack.source,
        "licenses": licence(name),
        "hashes": [{"alg": "SHA-256", "content": pack.sha256}],
    }


def bundled(packages: Path) -> Iterator[Component]:
    """Shared libraries inside of wheels, by the folder where auditwheel puts them."""
    for path in sorted(packages.glob("*.libs/*.so*")):
        name = re.sub(r"-[0-9a-f]{8}(?=[.]|$)", "", path.name.partition(".so")[0])
        owner = path.parent.name.removesuffix(".libs")
        found: Component = {
            "type": "library",
            "bom-ref": f"bundled:{owner}/{path.name}",
            "name": name,
            "description": f"bundled in the wheel of {owner}",
        }
        known = BUNDLED.get((owner, name), "")
        yield found | ({"licenses": licence(known)} if known else {})


def needed(bom: dict[str, Any]) -> dict[str, Any]:
    """The same without what the program does not lead to, such as pip."""
    leads = {row["ref"]: row.get("dependsOn", []) for row in bom["dependencies"]}
    waiting, seen = [bom["metadata"]["component"]["bom-ref"]], set()
    while waiting:
        ref = waiting.pop()
        if ref not in seen:
            seen.add(ref)
            waiting += leads.get(ref, [])
    kept = [c for c in bom["components"] if c["bom-ref"] in seen]
    rows = [row for row in bom["dependencies"] if row["ref"] in seen]
    return bom | {"components": kept, "dependencies": rows}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def problems(bom: dict[str, Any]) -> list[str]:
    """What is missing, or has no licence."""
    by_name = {plain(c["name"]): c for c in bom["components"]}
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    wanted = [re.split(r"[ ;<>=!~\[]", row)[0] for row in project["dependencies"] if ";" not in row]
    found = [f"{name} is missing" for name in wanted if plain(name) not in by_name]
    found += [f"{p.name} is missing" for p in shipped() if plain(p.name) not in by_name]
    own = [c for c in bom["components"] if not c["bom-ref"].startswith("bundled:")]
    return found + [f"{c['name']} has no licence" for c in own if not c.get("licenses")]


def completed(bom: dict[str, Any], packages: Path) -> dict[str, Any]:
    """What CycloneDX's tool found, with models, bundled libraries and licences known otherwise."""
    bom = needed(bom)
    for component in bom["components"]:
        if not component.get("licenses") and component["name"] in READ:
            component["licenses"] = licence(READ[component["name"]])
    bom["components"] += [*map(model, shipped()), *bundled(packages)]
    return bom


def environment(folder: Path, *packages: str) -> Path:
    """A new environment with some packages; its interpreter."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, *packages], check=True)
    return python


def described(python: Path, tools: Path) -> dict[str, Any]:
    """What CycloneDX's tool says of an environment."""
    environment(tools, TOOL)
    command = [tools / "bin" / "cyclonedx-py", "environment", python, "--pyproject", PROJECT]
    done = subprocess.run(
        [*map(str, command), "--of", "JSON", "-o", "-"], check=True, capture_output=True, text=True
    )
    bom: dict[str, Any] = json.loads(done.stdout)
    return bom


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--environment", type=Path, help="interpreter with threadline installed")
    parser.add_argument("--out", type=Path, default=Path("out/sbom.json"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        python = args.environment or environment(Path(place) / "all", str(PROJECT.parent))
        where = "import sysconfig; print(sysconfig.get_path('platlib'))"
        packages = subprocess.run(
            [python, "-c", where], check=True, capture_output=True, text=True
        ).stdout.strip()
        bom = completed(described(python, Path(place) / "tools"), Path(packages))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(bom, indent=1) + "\n", encoding="utf-8")
    found = problems(bom)
    print("\n".join([*found, f"{args.out}: {len(bom['components'])} components"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
