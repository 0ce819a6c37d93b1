"""TOML files become frozen structs; an error names the file, the key, what was given and wanted."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T")
# A key of fewer characters can be guessed; 32 random hex digits are 128 bits.
SHORTEST_KEY = 32


class ConfigurationError(ValueError):
    """A configuration file can't be used as it is; mend the file, a retry won't help.

    Attributes:
        file: The file as the user named it.
    """

    def __init__(self, file: str, message: str) -> None:
        super().__init__(f"{file}: {message}")
        self.file = file


def read_text(path: Path) -> str:
    """Return the text of a file, UTF-8.

    Raises:
        ConfigurationError: It can't be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(str(path), f"can't be read: {error}") from error


def read_toml(path: Path, kind: type[T]) -> T:
    """Read *path* as *kind*.

    Raises:
        ConfigurationError: No such file, not TOML, an unknown key, a wrong type or value.
    """
    return parse_toml(read_text(path), kind, str(path))


def parse_toml(text: str, kind: type[T], file: str = "<text>") -> T:
    """Read TOML *text* as *kind*.

    Raises:
        ConfigurationError: Not TOML, an unknown key, a wrong type or value.
    """
    try:
        return msgspec.convert(tomllib.loads(text), kind)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(file, f"not TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise ConfigurationError(file, str(error).replace("`$.", "`")) from error
    except ValueError as error:
        raise ConfigurationError(file, str(error)) from error


def read_key(path: Path) -> bytes:
    """Return the key in a file: one line of at least 32 characters.

    Raises:
        ConfigurationError: It can't be read, or is too short.
    """
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise ConfigurationError(str(path), f"key can't be read: {error.strerror}") from error
    if len(key) < SHORTEST_KEY:
        raise ConfigurationError(
            str(path), f"key of {len(key)} characters: expected at least {SHORTEST_KEY}"
        )
    return key
