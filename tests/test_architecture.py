"""The rules of the house, read from the syntax trees."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from functools import cache, wraps
from pathlib import Path

ROOT = Path(__file__).parent.parent
MODULES = sorted([*(ROOT / "pipeline").rglob("*.py"), *(ROOT / "engines").rglob("*.py")])

#: Who may import whom, from the bottom up: a module imports its own room and lower levels, directly
#: or through others. Room -> where it is; the longest name that fits decides. Rooms of one level
#: never see each other.
LEVELS = (
    {"engines": ("engines",)},
    {
        "vocabulary": (
            "pipeline",
            "pipeline.types",
            "pipeline.address",
            "pipeline.errors",
            "pipeline.protocols",
            "pipeline.files",
            "pipeline.finest",
            "pipeline.ids",
            "pipeline.pictures",
            "pipeline.plugins",
            "pipeline.settings.section",
        )
    },
    {"picture": ("pipeline.picture",)},
    {
        "sources": ("pipeline.sources",),
        "people": ("pipeline.people",),
        "tagging": ("pipeline.tagging",),
        "events": ("pipeline.events",),
        "sinks": ("pipeline.sinks",),
        "store": ("pipeline.store",),
        "models": ("pipeline.models",),
        # Arithmetic alone: the schema gathers its settings like those of the rooms.
        "pace": ("pipeline.flow.pace",),
    },
    {"settings": ("pipeline.settings",)},
    {"flow": ("pipeline.flow",), "photos": ("pipeline.photos",)},
    {"web": ("pipeline.web",)},
    {"cli": ("pipeline.cli", "pipeline.__main__")},
)
#: Rooms whose modules are pure: none of these, directly or through others.
PURE = ("pipeline.picture", "pipeline.types", "pipeline.people", "pipeline.flow.pace")
IMPURE = {"threading", "queue", "logging", "subprocess", "socket", "engines.trt", "engines.ov"}
#: Libraries that are imported late, by whom they are needed.
HEAVY = {
    "torch",
    "transformers",
    "huggingface_hub",
    "safetensors",
    "tokenizers",
    "openvino",
    "onnxruntime",
    "onnx",
    "tensorrt",
    "pycuda",
    "rapidocr",
    "gi",
}
#: What only the window needs.
SERVERS = {"fastapi", "starlette", "uvicorn", "argon2", "prometheus_client"}

MOST_LINES = 300
MOST_FUNCTION = 40
MOST_PARAMETERS = 6
#: (file, name) -> reason a ceiling is lifted.
LIFTED = {
    ("pipeline/cli/run.py", "run"): "one parameter per command line option",
    ("pipeline/cli/tag.py", "tag"): "one parameter per command line option",
    ("pipeline/cli/models.py", "build_model"): "one parameter per command line option",
    ("pipeline/cli/models.py", "pull_model"): "one parameter per command line option",
    ("pipeline/cli/search.py", "search"): "one parameter per command line option",
    ("pipeline/cli/statistics.py", "stats"): "one parameter per command line option",
    ("pipeline/cli/forget.py", "forget"): "one parameter per command line option",
    ("pipeline/cli/measure.py", "calibrate"): "one parameter per command line option",
    ("pipeline/cli/serve.py", "serve"): "one parameter per command line option",
    ("pipeline/cli/outfits.py", "complete"): "one parameter per command line option",
    ("pipeline/cli/teach.py", "teach"): "one parameter per command line option",
}
#: What a module may call to make a constant: nothing of this can be changed afterwards, or, as with
#: arrays and consoles, nobody does.
CONSTANT_MAKERS = {
    *("MappingProxyType", "frozenset", "tuple", "compile", "Path", "TypeVar", "getLogger", "dtype"),
    *("Typer", "Console", "Fraction", "array", "ones", "eye", "parent", "with_name", "TaggerEntry"),
    "datetime",
    "Turn",
    "Registration",
    "Recipe",
    "Sizes",
    "replace",  # of a frozen one
    "by_reader",  # makes a function
    # Tables are declared once; nobody changes them.
    *("MetaData", "Table", "with_variant"),
    "Lock",  # nothing is kept in it
    "fromhex",
    "APIRouter",  # routes are declared once
}
FORBIDDEN_NAMES = {"util", "utils", "common", "core", "helper", "helpers", "manager", "misc"}


def dotted(path: Path) -> str:
    name = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
    return name.removesuffix(".__init__")


NAMES = {dotted(path): path for path in MODULES}


@cache
def tree_of(name: str) -> ast.Module:
    return ast.parse(NAMES[name].read_text(encoding="utf-8"))


def imported(nodes: list[ast.stmt]) -> set[str]:
    """Names of modules that statements import, functions left out."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            module = node.module or ""
            inner = {f"{module}.{alias.name}" for alias in node.names}
            found |= {name if name in NAMES else module for name in inner}
        elif isinstance(node, ast.Try | ast.If | ast.With) and "TYPE_CHECKING" not in ast.dump(
            node
        ):
            found |= imported(
                [n for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom)]
            )
    return found


@cache
def reached(name: str) -> frozenset[str]:
    """Every module that importing one loads, ours and others', its packages included."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for module in imported(tree_of(waiting.pop()).body):
            parts = module.split(".")
            for i in range(1, len(parts) + 1):
                part = ".".join(parts[:i])
                if part not in found:
                    found.add(part)
                    waiting += [part] if part in NAMES else []
    return frozenset(found)


def everywhere(name: str) -> set[str]:
    """What a module imports anywhere, also in its functions."""
    nodes = [n for n in ast.walk(tree_of(name)) if isinstance(n, ast.Import | ast.ImportFrom)]
    return imported(nodes)


def place(name: str) -> tuple[int, str]:
    """Level and room of a module."""
    fits = [
        (len(prefix), level, room)
        for level, rooms in enumerate(LEVELS)
        for room, prefixes in rooms.items()
        for prefix in prefixes
        if name == prefix or (name.startswith(prefix + ".") and prefix != "pipeline")
    ]
    assert fits, f"{name} is in no room: add it to LEVELS"
    _, level, room = max(fits)
    return level, room


def within(name: str, room: str) -> bool:
    return name == room or name.startswith(room + ".")


def rule(check: Callable[[str], None]) -> Callable[[], None]:
    """One test over all modules, which names every module that breaks the rule."""

    @wraps(check)
    def test() -> None:
        broken = []
        for module in sorted(NAMES):
            try:
                check(module)
            except AssertionError as error:
                broken.append(f"{module}: {str(error).splitlines()[0] if str(error) else error!r}")
        assert not broken, "\n".join(broken)

    del test.__wrapped__  # type: ignore[attr-defined]  # pytest would ask for a fixture `module`
    return test


@rule
def test_modules_import_only_lower_rooms(module):
    level, room = place(module)
    for other in (reached(module) | everywhere(module)) & NAMES.keys():
        if tree_of(other).body[1:]:  # a package that holds nothing but its docstring is no room
            theirs = place(other)
            assert theirs[1] == room or theirs[0] < level, f"imports {other}, directly or not"


@rule
def test_pure_rooms_have_no_threads_logs_or_devices(module):
    if any(within(module, room) for room in PURE):
        bad = {name for name in reached(module) if any(within(name, i) for i in IMPURE)}
        assert not bad - ALLOWED_IN_PURE.get(module, set())


#: Module -> what it reaches all the same, and why that is right.
ALLOWED_IN_PURE: dict[str, set[str]] = {}


@rule
def test_heavy_libraries_are_imported_late(module):
    """What learns, or is pulled, imports PyTorch, and is itself imported late."""
    rooms = ("engines.nets", "engines.published", "engines.teach")
    if not any(within(module, room) for room in rooms):
        assert not {name.split(".")[0] for name in reached(module)} & HEAVY


@rule
def test_databases_are_imported_late(module):
    """Whoever runs without a store, or asks for help, does not wait for SQLAlchemy."""
    if not within(module, "pipeline.store") and not within(module, "pipeline.web"):
        assert not {name.split(".")[0] for name in reached(module)} & {"sqlalchemy", "alembic"}


@rule
def test_servers_are_imported_late(module):
    """Nor for what only the window needs."""
    if not within(module, "pipeline.web"):
        assert not {name.split(".")[0] for name in reached(module)} & SERVERS


@rule
def test_only_the_command_line_reads_arguments(module):
    if not within(module, "pipeline.cli") and module != "pipeline.__main__":
        assert not {
            name for name in everywhere(module) if name.split(".")[0] in ("argparse", "typer")
        }


@rule
def test_ceilings(module):
    path = NAMES[module].relative_to(ROOT).as_posix()
    text = NAMES[module].read_text(encoding="utf-8")
    if (path, "") not in LIFTED:
        assert len(text.splitlines()) <= MOST_LINES
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.FunctionDef) and (path, node.name) not in LIFTED:
            own = [a.arg for a in (*node.args.args, *node.args.kwonlyargs)]
            count = len([a for a in own if a not in ("self", "cls")])
            assert (node.end_lineno or 0) - node.lineno < MOST_FUNCTION, node.name
            assert count <= MOST_PARAMETERS, node.name


def test_lifted_ceilings_are_needed():
    for path, name in LIFTED:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        found = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == name]
        assert found, f"{path} has no {name}"
        [node] = found
        long = (node.end_lineno or 0) - node.lineno >= MOST_FUNCTION
        assert long or len(node.args.args) > MOST_PARAMETERS, f"{path} {name} fits the ceilings"


def maker(value: ast.expr) -> str:
    """Name of what makes a value, e.g. ``Path`` of ``Path(x).parent``."""
    if isinstance(value, ast.Subscript):
        return maker(value.value)
    if isinstance(value, ast.Attribute):
        return value.attr
    if isinstance(value, ast.Call):
        return maker(value.func)
    return value.id if isinstance(value, ast.Name) else ""


def is_mutable(value: ast.expr) -> bool:
    if isinstance(value, ast.List | ast.Set | ast.Dict | ast.ListComp | ast.SetComp | ast.DictComp):
        return True
    return isinstance(value, ast.Call) and maker(value) not in CONSTANT_MAKERS


@rule
def test_no_mutable_globals(module):
    """No list, set, dictionary or object that can be changed lies at the top of a module, and
    nothing there is changed by a function."""
    tree = tree_of(module)
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {t.id for t in targets if isinstance(t, ast.Name)}
            assert names == {"__all__"} or not is_mutable(node.value), (
                f"line {node.lineno}: {names}"
            )
            changed = [t for t in targets if isinstance(t, ast.Subscript | ast.Attribute)]
            assert not changed, f"line {node.lineno}: changed at import"
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Global)], "global statement"


@rule
def test_one_constant_a_line(module):
    for node in tree_of(module).body:
        if isinstance(node, ast.Assign):
            assert not any(isinstance(t, ast.Tuple) for t in node.targets), f"line {node.lineno}"


@rule
def test_the_formatter_is_never_switched_off(module):
    assert "fmt: " not in NAMES[module].read_text(encoding="utf-8")


@rule
def test_backends_are_named_in_one_table_only(module):
    """Whoever asks for an engine by name would have to know every new one."""
    if not within(module, "engines.trt") and module not in ("engines.ov", "engines.ort"):
        compared = [
            node
            for node in ast.walk(tree_of(module))
            if isinstance(node, ast.Compare)
            for side in (node.left, *node.comparators)
            if isinstance(side, ast.Constant)
            and side.value in ("openvino", "onnxruntime", "tensorrt")
        ]
        assert not compared, f"line {compared[0].lineno}"


@rule
def test_modules_say_what_they_are_and_have_good_names(module):
    assert ast.get_docstring(tree_of(module))
    assert not set(re.split(r"[._]", module)) & FORBIDDEN_NAMES


def test_tests_stand_in_the_rooms_of_what_they_test():
    rooms = {path.name for path in (ROOT / "pipeline").iterdir() if path.is_dir()}
    own = {"contracts", "faults", "hostile", "data", "servers", "engines", "training"}
    folders = {p.name for p in (ROOT / "tests").iterdir() if p.is_dir() and p.name[0] not in "_."}
    assert folders <= rooms | own


def test_shipped_models_are_small_and_described():
    models = sorted((ROOT / "engines" / "packs").glob("*/model.onnx"))
    assert models
    for model in models:
        assert model.stat().st_size <= 15_000_000
        card = model.with_name("MODEL_CARD.md").read_text(encoding="utf-8")
        for word in ("Licence", "Data", "Figures"):
            assert word in card, f"{model.parent.name}: model card lacks {word}"
