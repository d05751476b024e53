"""Print the lowest versions that pyproject.toml allows of what runs, as pip constraints.

python tools/lowest_versions.py > lowest.txt && pip install -c lowest.txt -e '.[test]'
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

#: Extras of what runs, besides those of one kind of machine.
RUN = ("serve", "postgres")
PROJECT = Path(__file__).parent.parent / "pyproject.toml"


def lowest(requirements: list[str]) -> list[str]:
    """``name>=1.2`` as ``name==1.2.*``: the newest repair of the lowest version."""
    found = []
    for requirement in requirements:
        match = re.match(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)(?:[^;]*)(;.*)?$", requirement)
        if match:
            name, version, marker = match.groups()
            found.append(f"{name}=={version}.*{' ' + marker if marker else ''}")
    return found


def main() -> int:
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    print("\n".join(lowest([*project["dependencies"], *(r for name in RUN for r in extras[name])])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
