"""The key of anonymised names, where somebody wants to keep it."""

import os
from pathlib import Path

from ...errors import InvalidInputError
from ..trace.parquet import disk_errors
from .anonymize import KEY_BYTES, new_key


def kept_key(path: Path) -> bytes:
    """The key in the file ``path`` (hexadecimal), which is made with a new one, 0600, where it does not exist."""
    try:
        text = path.read_bytes()[: 4 * KEY_BYTES].strip()
        return _parsed(path, text)
    except FileNotFoundError:
        key = new_key()
        with (
            disk_errors(path),
            os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream,
        ):
            stream.write(key.hex() + "\n")
        return key
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read ({error.strerror}): name the file with the key") from None


def _parsed(path: Path, text: bytes) -> bytes:
    try:
        key = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise InvalidInputError(f"{path} is not a key: it must hold {2 * KEY_BYTES} hexadecimal digits")
    return key
