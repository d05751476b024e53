"""One YAML file in, one frozen Config out, mistakes named with file, line and key."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from pipeline.errors import ConfigError, redact
from pipeline.settings.schema import Config

_ENV = re.compile(r"\$\{([A-Za-z_]\w*)(?::-([^}]*))?\}")
#: A configuration larger than this is a mistake (bytes).
_MOST_BYTES = 1_000_000
Path_ = tuple[str | int, ...]


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
    """Replace ``${NAME}`` and ``${NAME:-default}`` in every string."""
    if isinstance(value, dict):
        return {k: _substitute(v, f"{where}.{k}", env) for k, v in value.items()}
    if isinstance(value, list):
        return [_substitute(v, f"{where}[{i}]", env) for i, v in enumerate(value)]
    if not isinstance(value, str):
        return value

    def fill(match: re.Match[str]) -> str:
        name, default = match.group(1), match.group(2)
        if name in env:
            return env[name]
        if default is not None:
            return default
        raise ConfigError(
            f"{where.lstrip('.')}: environment variable {name} is not set; export it first"
        )

    return _ENV.sub(fill, value)


def _valid_keys(path: Path_) -> list[str]:
    """Keys allowed at the place ``path`` points to."""
    model: Any = Config
    for part in path:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        inner = [a for a in get_args(annotation) if isinstance(a, type)]
        model = inner[0] if inner else annotation
        if not hasattr(model, "model_fields"):
            return []
    return list(model.model_fields)


def _explain(error: Any, file: str, lines: Mapping[Path_, int]) -> str:
    """One line for one pydantic error."""
    path: Path_ = tuple(error["loc"])
    place = path
    while place and place not in lines:
        place = place[:-1]
    line = f":{lines[place]}" if place in lines else ""
    key = ".".join(str(part) for part in path)
    text = redact(str(error["msg"]).removeprefix("Value error, "))
    if error["type"] == "extra_forbidden":
        valid = _valid_keys(path[:-1])
        near = difflib.get_close_matches(str(path[-1]), valid, n=1, cutoff=0.5)
        text = "unknown key; " + (
            f"did you mean '{near[0]}'?" if near else f"valid: {', '.join(valid)}"
        )
    return f"{file}{line}: {key + ': ' if key else ''}{text}"


def parse(text: str, file: str, env: Mapping[str, str] | None = None) -> Config:
    """Config of a YAML text; ``file`` names it in errors.

    Raises:
        ConfigError: one line per mistake.
    """
    try:
        data = yaml.safe_load(text)
        lines = _lines(yaml.compose(text, Loader=yaml.SafeLoader))
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
    try:
        filled = _substitute(data, "", os.environ if env is None else env)
        return Config.model_validate(filled)
    except ValidationError as error:
        mistakes = [_explain(e, file, lines) for e in error.errors(include_url=False)]
        raise ConfigError("\n".join(mistakes)) from None
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None


def load(path: Path) -> Config:
    """Config of a YAML file.

    Raises:
        ConfigError: the file cannot be read or has mistakes.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            raise ConfigError(f"{path}: larger than {_MOST_BYTES} bytes; not a configuration")
        return parse(raw.decode("utf-8"), str(path))
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
