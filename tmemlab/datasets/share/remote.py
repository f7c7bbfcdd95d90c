"""Places that traces are pushed to and pulled from: directories, https, s3, gs and hf, behind one interface."""

import importlib
from collections.abc import Iterable, Iterator
from typing import Any, Protocol
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.fs as arrow_fs

from ...errors import InvalidInputError, TmemlabError

STEP = 1 << 22
SCHEMES = ("file", "http", "https", "s3", "gs", "hf")


class Remote(Protocol):
    """Files by name below one URL. Errors of the place itself are TmemlabError and name the URL."""

    url: str

    def size(self, name: str) -> int | None:
        """Bytes of the file, None where there is none."""

    def read(self, name: str, start: int = 0) -> Iterator[bytes]:
        """The content of the file from byte ``start`` on, in pieces."""

    def write(self, name: str, parts: Iterable[bytes]) -> None:
        """Make or replace the file."""


def open_remote(url: str, *, write: bool = False) -> Remote:
    """The place at ``url``: a path or a URL with one of SCHEMES; InvalidInputError for any other.

    Also where ``write`` is wanted and the scheme can only be read.
    """
    parts = urlsplit(url)
    scheme = parts.scheme or "file"
    if scheme not in SCHEMES:
        raise InvalidInputError(f"{url} has the scheme {scheme!r}: use a path or {', '.join(SCHEMES)}")
    if write and scheme in ("http", "https"):
        raise InvalidInputError(f"{url} can only be read: push to a directory, s3, gs or hf")
    try:
        if scheme == "file":
            path = url.removeprefix("file://")
            return _Arrow(url, arrow_fs.LocalFileSystem(), path)
        if scheme in ("s3", "gs"):
            # settings, keys and the endpoint come from where the vendors' own tools take them
            where, path = arrow_fs.FileSystem.from_uri(url)
            return _Arrow(url, where, path)
        return _Fsspec(url, _fsspec(scheme).filesystem(scheme))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _failed(url, error) from None


def _fsspec(scheme: str) -> Any:
    needed = {"http": "aiohttp", "https": "aiohttp", "hf": "huggingface_hub"}[scheme]
    try:
        importlib.import_module(needed)
        return importlib.import_module("fsspec")
    except ImportError:
        raise TmemlabError(f"{scheme}:// needs {needed}: install tmemlab[cloud]") from None


class _Arrow:
    """A pyarrow filesystem: local, S3, GCS."""

    def __init__(self, url: str, where: Any, path: str) -> None:
        self.url = url.rstrip("/")
        self._where = where
        self._path = path.rstrip("/")

    def size(self, name: str) -> int | None:
        try:
            found = self._where.get_file_info(f"{self._path}/{name}")
        except (pa.ArrowException, OSError) as error:
            raise _failed(f"{self.url}/{name}", error) from None
        return int(found.size) if found.type == arrow_fs.FileType.File else None

    def read(self, name: str, start: int = 0) -> Iterator[bytes]:
        try:
            with self._where.open_input_file(f"{self._path}/{name}") as stream:
                stream.seek(start)
                while part := stream.read(STEP):
                    yield part
        except (pa.ArrowException, OSError) as error:
            raise _failed(f"{self.url}/{name}", error) from None

    def write(self, name: str, parts: Iterable[bytes]) -> None:
        try:
            if isinstance(self._where, arrow_fs.LocalFileSystem):
                self._where.create_dir(self._path, recursive=True)
            with self._where.open_output_stream(f"{self._path}/{name}") as stream:
                for part in parts:
                    stream.write(part)
        except (pa.ArrowException, OSError) as error:
            raise _failed(f"{self.url}/{name}", error) from None


class _Fsspec:
    """An fsspec filesystem: HTTP, which cannot be written, and Hugging Face."""

    def __init__(self, url: str, where: Any) -> None:
        self.url = url.rstrip("/")
        self._where = where

    def size(self, name: str) -> int | None:
        try:
            return int(self._where.size(f"{self.url}/{name}") or 0)
        except FileNotFoundError as error:
            # fsspec says the same of a file that is not there and of a host that does not answer
            if error.__cause__ is None or getattr(error.__cause__, "status", 0) == 404:
                return None
            raise _failed(f"{self.url}/{name}", error.__cause__) from None
        except Exception as error:  # each of these libraries has exceptions of its own
            raise _failed(f"{self.url}/{name}", error) from None

    def read(self, name: str, start: int = 0) -> Iterator[bytes]:
        try:
            with self._where.open(f"{self.url}/{name}", "rb", block_size=STEP, cache_type="none") as stream:
                if start:
                    stream.seek(start)
                while part := stream.read(STEP):
                    yield part
        except Exception as error:
            raise _failed(f"{self.url}/{name}", error) from None

    def write(self, name: str, parts: Iterable[bytes]) -> None:
        try:
            with self._where.open(f"{self.url}/{name}", "wb") as stream:
                for part in parts:
                    stream.write(part)
        except Exception as error:
            raise _failed(f"{self.url}/{name}", error) from None


def _failed(url: str, error: BaseException) -> TmemlabError:
    if isinstance(error, TmemlabError):
        return error
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    return TmemlabError(f"{url} cannot be reached ({reason}): check the address and what it asks for")
