"""One YAML file in, one frozen Config out, mistakes named with file, line and key."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from engines.packs import Packs
from pipeline.address import escaped, escaped_login, login_span
from pipeline.errors import ConfigError, redact
from pipeline.settings.schema import Config, is_per_run, is_section, merged, schema

_ENV = re.compile(r"\$\{([A-Za-z_]\w*)(?::-([^}]*))?\}")
#: A configuration larger than this is a mistake (bytes).
_MOST_BYTES = 1_000_000
#: Settings that have another name since version 0.1.
MOVED = MappingProxyType(
    {
        "vote": "garments.vote",
        "garments.photo_share": "person.photo_share",
        **{
            f"garments.{name}": f"looks.{name}"
            for name in ("min_height_px", "refresh_s", "settle_s", "settle_looks", "better")
        },
        **{
            f"logos.{name}": f"logos.vote.{name}"
            for name in ("appear", "vanish", "looks", "memory")
        },
        "pace.most_stretch": "pace.most_slowdown",
        "tiles": "far",
    }
)
Path_ = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """YAML without what a configuration never needs and an attacker might: aliases, by which a few
    bytes expand to gigabytes, merge keys, and keys that stand twice, of which all but one would be
    lost."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(
                problem=f"aliases such as *{event.anchor} are not supported; write it out",
                problem_mark=event.start_mark,
            )
        node = super().compose_node(parent, index)
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, _ in node.value:
                name, problem = str(key.value), ""
                if name in seen:
                    problem = f"'{name}' stands twice here; join both"
                elif key.tag == "tag:yaml.org,2002:merge":
                    problem = "merge keys are not supported; write it out"
                if problem:
                    raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
                seen.add(name)
        return node


def _lines(node: yaml.Node | None, path: Path_ = ()) -> dict[Path_, int]:
    """Line number (from 1) of every key and list item, by path."""
    if node is None:
        return {}
    found = {path: node.start_mark.line + 1}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, str(key.value))
            found.update(_lines(value, inner))
            found[inner] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            found.update(_lines(value, (*path, index)))
    return found


def _substitute(value: Any, where: str, env: Mapping[str, str]) -> Any:
    """Replace ``${NAME}`` and ``${NAME:-default}`` in every string; within the login of a URL, so
    that any character may stand in a password."""
    if isinstance(value, dict):
        return {k: _substitute(v, f"{where}.{k}", env) for k, v in value.items()}
    if isinstance(value, list):
        return [_substitute(v, f"{where}[{i}]", env) for i, v in enumerate(value)]
    if not isinstance(value, str):
        return value

    bare = _ENV.sub(lambda match: "x" * len(match.group()), value)
    login = login_span(bare)
    escape = escaped if ":" in bare[login.start : login.stop] else escaped_login

    def fill(match: re.Match[str]) -> str:
        text = env.get(match.group(1), match.group(2))
        if text is not None:
            return escape(text) if match.start() in login else text
        name = match.group(1)
        raise ConfigError(
            f"{where.lstrip('.')}: environment variable {name} is not set; export it first"
        )

    return _ENV.sub(fill, value)


def _section_at(path: Path_) -> Any:
    """The settings class at a path, ``None`` where there is none."""
    model: Any = schema()
    for part in path:
        if isinstance(part, int):
            continue
        field = getattr(model, "model_fields", {}).get(part)
        model = _section_in(field.annotation) if field else None
    return model


def _section_in(annotation: Any) -> Any:
    """The settings class inside of a type: of ``X``, ``X | None``, ``tuple[X, ...]``."""
    if is_section(annotation):
        return annotation
    found = (_section_in(inner) for inner in get_args(annotation))
    return next((section for section in found if section is not None), None)


def _unknown_key(path: Path_) -> str:
    """What to do about a key that is not known."""
    *parents, key = path
    own = [str(part) for part in path if not isinstance(part, int)]
    names = own[1:] if own[0] == "cameras" else own
    dotted = ".".join(names)
    if dotted in MOVED:
        return f"is called '{MOVED[dotted]}' now"
    if own[0] == "cameras":
        section = _section_at(tuple(names[:-1]))
        field = getattr(section, "model_fields", {}).get(names[-1]) if names[:-1] else None
        if field is not None and is_per_run(field):
            return f"is the same for all cameras; set it under '{'.'.join(names[:-1])}:'"
    valid = list(getattr(_section_at(tuple(parents)), "model_fields", {}))
    near = difflib.get_close_matches(str(key), valid, n=1, cutoff=0.5)
    return "unknown key; " + (
        f"did you mean '{near[0]}'?" if near else f"valid: {', '.join(valid)}"
    )


def _key(text: str) -> Path_:
    """The path a dotted key stands for."""
    return tuple(int(part) if part.isdecimal() else part for part in text.split("."))


def _explain(error: Any, file: str, lines: Mapping[Path_, int]) -> str:
    """One line for one pydantic error. Where sections do not fit each other, the text begins with
    the key."""
    path: Path_ = tuple(error["loc"])
    place = path or _key(str(error["msg"]).removeprefix("Value error, ").partition(": ")[0])
    while place and place not in lines:
        place = place[:-1]
    line = f":{lines[place]}" if place in lines else ""
    key = ".".join(str(part) for part in path)
    text = redact(str(error["msg"]).removeprefix("Value error, "))
    if error["type"] == "extra_forbidden":
        text = _unknown_key(path)
    return f"{file}{line}: {key + ': ' if key else ''}{text}"


def _read(text: str, file: str) -> tuple[dict[str, Any], dict[Path_, int]]:
    """What a YAML text holds, and the line of every key."""
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            data = {} if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
        lines = _lines(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError(f"{file}{line}: not valid YAML: {error.problem}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(f"{file}: not valid YAML: {str(error).splitlines()[0]}") from None
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise ConfigError(f"{file}:1: expected keys such as 'cameras:', got {type(data).__name__}")
    return data, lines


def parse(
    text: str,
    file: str,
    env: Mapping[str, str] | None = None,
    changes: Mapping[str, Any] | None = None,
    packs: Packs | None = None,
) -> Config:
    """Config of a YAML text; ``file`` names it in errors.

    ``changes`` are sections, or ``cameras``, laid over those of the text, for all of its cameras,
    before environment variables are asked for: a camera that is not used needs no password.

    Raises:
        ConfigError: one line per mistake.
    """
    data, lines = _read(text, file)
    try:
        filled = _substitute(_changed(data, changes or {}), "", os.environ if env is None else env)
        return schema().model_validate(filled, context={"packs": packs})
    except ValidationError as error:
        mistakes = [_explain(e, file, lines) for e in error.errors(include_url=False)]
        raise ConfigError("\n".join(mistakes)) from None
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None


def _changed(data: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with those of ``changes`` in their place, also where one camera had its own."""
    cameras = data.get("cameras")
    if isinstance(cameras, list):
        data = {**data, "cameras": [_without(camera, changes) for camera in cameras]}
    return merged(data, changes)


def _without(camera: Any, changes: Mapping[str, Any]) -> Any:
    """A camera's settings but for those that are changed for all."""
    if not isinstance(camera, Mapping):
        return camera
    kept = dict(camera)
    for name, section in changes.items():
        own = kept.get(name)
        if isinstance(own, Mapping) and isinstance(section, Mapping):
            kept[name] = {key: value for key, value in own.items() if key not in section}
        elif name in kept:
            del kept[name]
    return kept


def load(
    path: Path, changes: Mapping[str, Any] | None = None, packs: Packs | None = None
) -> Config:
    """Config of a YAML file; ``changes`` as in ``parse``.

    Raises:
        ConfigError: the file cannot be read or has mistakes.
    """
    return parse(_text(path), str(path), changes=changes, packs=packs)


def read_raw(path: Path) -> dict[str, Any]:
    """What a YAML file sets, as it stands there.

    Raises:
        ConfigError: the file cannot be read, or is no YAML.
    """
    return _read(_text(path), str(path))[0]


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            raise ConfigError(f"{path}: larger than {_MOST_BYTES} bytes; not a configuration")
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
