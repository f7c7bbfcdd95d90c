"""Numba's cache of compiled code, made safe to lose: what does not load whole is compiled anew, never an error.

Numba unpickles what it finds and hands machine code to the linker as it is. A file that was cut short, overwritten
or left from a crash would end a replay with an error of the cache's; a flipped bit, the process. So every file
ends in a checksum, and every failure to load or to keep is taken for an empty cache. Numba calls this class where
it would call its own: numba.core.dispatcher looks it up by name when a function asks for ``cache=True``.
"""

import contextlib
import hashlib
import os
import pickle
from typing import Any

import numba.core.dispatcher
from numba.core.caching import FunctionCache, IndexDataCacheFile

_DIGEST = hashlib.sha256().digest_size


def _sealed(data: bytes) -> bytes:
    return data + hashlib.sha256(data).digest()


def _opened(data: bytes) -> bytes:
    """What was sealed; ValueError where it is not whole."""
    body, seal = data[:-_DIGEST], data[-_DIGEST:]
    if hashlib.sha256(body).digest() != seal:
        raise ValueError("damaged")
    return body


class _CheckedFiles(IndexDataCacheFile):  # type: ignore[misc]
    """An index and data files that end in their checksums."""

    def _dump(self, obj: Any) -> bytes:
        return _sealed(super()._dump(obj))

    def _load_index(self) -> dict[Any, Any]:
        with contextlib.suppress(Exception), open(self._index_path, "rb") as stream:  # noqa: PTH123
            if pickle.load(stream) == self._version:
                stamp, overloads = pickle.loads(_opened(stream.read()))
                if stamp == self._source_stamp:
                    found: dict[Any, Any] = overloads
                    return found
        return {}

    def _load_data(self, name: str) -> Any:
        with open(self._data_path(name), "rb") as stream:  # noqa: PTH123
            return pickle.loads(_opened(stream.read()))


class HealingCache(FunctionCache):  # type: ignore[misc]
    """A function's cache: a miss wherever Numba's own would fail."""

    def __init__(self, py_func: Any) -> None:
        super().__init__(py_func)
        self._cache_file = _CheckedFiles(
            cache_path=self._cache_path,
            filename_base=self._impl.filename_base,
            source_stamp=self._impl.locator.get_source_stamp(),
        )

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled function for a signature; None where there is none that loads."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:
            with contextlib.suppress(OSError):
                os.unlink(self._cache_file._index_path)  # noqa: PTH108
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled function; where that cannot be, a full disk say, do without."""
        with contextlib.suppress(OSError):
            super().save_overload(sig, data)


def install() -> None:
    """Let every function that is compiled from now on with ``cache=True`` use this."""
    numba.core.dispatcher.FunctionCache = HealingCache
