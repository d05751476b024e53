"""Checkpoints read without unpickling anything but numbers, and loaded strictly."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from engines.base import ModelFileError

State = dict[str, Tensor]
#: Files of the hub that hold a network's tensors, the first that is there.
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
#: Names told in an error.
MOST_TOLD = 3


def weights_in(folder: Path, names: Sequence[str] = WEIGHTS) -> Path:
    """The first of these files that is in a folder.

    Raises:
        ModelFileError: none is.
    """
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise ModelFileError(f"{folder} holds none of {', '.join(names)}")


def checkpoint_in(folder: Path) -> Path:
    """The first checkpoint of a training (.pth) in a folder.

    Raises:
        ModelFileError: there is none.
    """
    for path in sorted(folder.glob("*.pth")):
        return path
    raise ModelFileError(f"{folder} holds no checkpoint (.pth)")


def renamed(name: str, rules: Sequence[tuple[str, str]]) -> str:
    """A tensor's name after patterns were replaced in it, in turn."""
    for pattern, to in rules:
        name = re.sub(pattern, to, name)
    return name


def read_state(path: Path, *within: str) -> State:
    """The tensors of a file: safetensors by its name, else PyTorch's own format, of which only
    tensors and plain containers are read.

    Args:
        within: keys under which a training keeps the tensors, the first that is there.

    Raises:
        ModelFileError: it cannot be read, or holds something else.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(str(path))
        # Of files of several gigabytes, only what is used is read.
        mapped = zipfile.is_zipfile(path)
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise _unreadable(path, error) from None
    except Exception as error:  # safetensors has errors of its own
        raise _unreadable(path, error) from None
    for key in within:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
            break
    if not isinstance(found, Mapping):
        raise ModelFileError(f"{path} holds {type(found).__name__}, no table of tensors")
    return {str(name): value for name, value in found.items() if isinstance(value, Tensor)}


def _unreadable(path: Path, error: Exception) -> ModelFileError:
    reason = " ".join(str(error).split())[:160]
    return ModelFileError(f"{path} is no checkpoint that can be read safely: {reason}")


def load_state(net: nn.Module, state: Mapping[str, Tensor], ignored: str = "") -> None:
    """Load tensors into a network, all of them.

    Args:
        ignored: a pattern of names that may be there and are not needed.

    Raises:
        ModelFileError: one is missing, unknown or of another shape; the message names some.
    """
    wanted = {name: tuple(own.shape) for name, own in net.state_dict().items()}
    given = {name: own for name, own in state.items() if name in wanted}
    extra = [name for name in state if name not in wanted and not re.fullmatch(ignored, name)]
    missing = [name for name in wanted if name not in given]
    other = [
        f"{name} {tuple(own.shape)} instead of {wanted[name]}"
        for name, own in given.items()
        if tuple(own.shape) != wanted[name]
    ]
    for what, names in (("lacks", missing), ("has unknown", extra), ("has", other)):
        if names:
            more = f" and {len(names) - MOST_TOLD} more" if len(names) > MOST_TOLD else ""
            raise ModelFileError(f"the checkpoint {what} {', '.join(names[:MOST_TOLD])}{more}")
    net.load_state_dict({name: own.to(torch.float32) for name, own in given.items()})
