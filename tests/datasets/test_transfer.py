"""Push and pull against real servers on loopback: HTTP with ranges, S3 and GCS emulators, a part of the Hub."""

import http.server
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import threading
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.datasets.test_roundtrip import random_columns
from tests.factory import make_trace
from tmemlab.datasets.derive.anonymize import anonymize
from tmemlab.datasets.share.transfer import pull, push
from tmemlab.datasets.trace.parquet import file_sha256
from tmemlab.datasets.trace.read import Trace
from tmemlab.errors import InvalidInputError, TmemlabError, TraceError


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    place = tmp_path_factory.mktemp("transfer")
    original = make_trace(place / "original", columns=random_columns(60_000), duration_ns=10**9)
    anonymize(Trace.open(original), place / "t", key=b"k" * 32)
    return Trace.open(place / "t")


def contents(path):
    return {file.name: file.read_bytes() for file in path.iterdir()}


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves a directory with byte ranges; can be told to break off, or to have no ranges."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        server = self.server
        path = server.directory / self.path.lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        start, end, status = 0, len(data) - 1, 200
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked and server.ranges:
            start, end, status = int(asked[1]), min(int(asked[2] or end), end), 206
        part = data[start : end + 1]
        self.send_response(status)
        self.send_header("Content-Length", str(len(part)))
        if server.ranges:
            self.send_header("Accept-Ranges", "bytes")
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(data)}")
        self.end_headers()
        if body:
            server.asked.append((path.name, start))
            if path.name == server.breaks_on and server.breaks > 0:
                server.breaks -= 1
                self.wfile.write(part[: len(part) // 2])
                self.close_connection = True
                return
            self.wfile.write(part)
            server.sent += len(part)

    def log_message(self, *_args):
        pass


@contextmanager
def serve(directory, *, ranges=True, breaks_on="", breaks=0, handler=Handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.directory, server.ranges, server.breaks_on, server.breaks = Path(directory), ranges, breaks_on, breaks
    server.asked, server.sent, server.url = [], 0, f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def fresh_sessions():
    """fsspec keeps a client for each address; a test must not meet that of another."""
    fsspec = pytest.importorskip("fsspec", reason="install the extra interop")
    yield
    for scheme in ("http", "https"):
        fsspec.filesystem(scheme).clear_instance_cache()


def test_a_directory_there_and_back(trace, tmp_path):
    seen = []
    sent = push(trace, str(tmp_path / "there"), progress=lambda done, total: seen.append((done, total)))
    assert contents(tmp_path / "there") == contents(trace.path)
    assert sent == sum(len(data) for data in contents(trace.path).values())
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1] == sent
    pull(f"file://{tmp_path / 'there'}", tmp_path / "back")
    assert contents(tmp_path / "back") == contents(trace.path)
    assert {p.stat().st_mode & 0o777 for p in (tmp_path / "back").iterdir()} == {0o600}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["back", "there"]


def test_pushing_again_sends_nothing_and_another_trace_is_refused(trace, tmp_path):
    push(trace, str(tmp_path / "there"))
    assert push(trace, str(tmp_path / "there")) == 0
    other = Trace.open(make_trace(tmp_path / "o", [(0, "store", 0)], manifest={"anonymised": True}))
    with pytest.raises(InvalidInputError, match="already holds another trace"):
        push(other, str(tmp_path / "there"))


def test_an_interrupted_push_goes_on(trace, tmp_path):
    push(trace, str(tmp_path / "there"))
    (tmp_path / "there/manifest.json").unlink()
    (tmp_path / "there/tasks.parquet").unlink()
    events = tmp_path / "there/events-00000.parquet"
    data = bytearray(events.read_bytes())
    data[1000] ^= 1  # the right size and not the right bytes
    events.write_bytes(data)
    expected = sum(
        (trace.path / n).stat().st_size for n in ("manifest.json", "tasks.parquet", "events-00000.parquet")
    )
    assert push(trace, str(tmp_path / "there")) == expected
    assert contents(tmp_path / "there") == contents(trace.path)


def test_names_do_not_leave_by_accident(tmp_path):
    named = Trace.open(make_trace(tmp_path / "t", [(0, "store", 0)]))
    with pytest.raises(InvalidInputError, match="anonymize it first"):
        push(named, str(tmp_path / "there"))
    assert not (tmp_path / "there").exists()
    push(named, str(tmp_path / "there"), as_recorded=True)
    assert contents(tmp_path / "there") == contents(named.path)


@pytest.mark.parametrize("ranges", [True, False])
def test_pull_over_http(trace, tmp_path, ranges):
    with serve(trace.path, ranges=ranges) as server:
        seen = []
        pull(server.url, tmp_path / "t", progress=lambda done, total: seen.append((done, total)))
        assert contents(tmp_path / "t") == contents(trace.path)
        assert seen[-1][0] == seen[-1][1]
        assert server.sent < 1.2 * sum(len(data) for data in contents(trace.path).values())


def test_a_connection_that_breaks_goes_on_where_it_stopped(trace, tmp_path):
    with serve(trace.path, breaks_on="events-00000.parquet", breaks=2) as server:
        pull(server.url, tmp_path / "t")
        assert contents(tmp_path / "t") == contents(trace.path)


def test_a_pull_that_was_cut_off_is_finished_by_the_next(trace, tmp_path):
    with serve(trace.path, breaks_on="events-00000.parquet", breaks=1000) as server:
        with pytest.raises(TmemlabError, match="run it again"):
            pull(server.url, tmp_path / "t")
        assert not (tmp_path / "t").exists()
        (partial,) = tmp_path.iterdir()
        # what a run that was killed in the middle of a file leaves
        whole = (trace.path / "events-00000.parquet").read_bytes()
        (partial / "events-00000.parquet").write_bytes(whole[:100_000])
        server.breaks, server.asked = 0, []
        pull(server.url, tmp_path / "t")
        starts = [start for name, start in server.asked if name == "events-00000.parquet"]
        assert min(starts) == 100_000
        assert "cgroups.parquet" not in [name for name, _ in server.asked]
    assert contents(tmp_path / "t") == contents(trace.path)
    assert [p.name for p in tmp_path.iterdir()] == ["t"]


def test_what_an_older_run_left_wrong_is_fetched_again(trace, tmp_path):
    with serve(trace.path, breaks_on="events-00000.parquet", breaks=1000) as server:
        with pytest.raises(TmemlabError):
            pull(server.url, tmp_path / "t")
        (partial,) = tmp_path.iterdir()
        (partial / "events-00000.parquet").write_bytes(b"x" * 5000)
        (partial / "cgroups.parquet").write_bytes(b"x" * 10**6)
        server.breaks = 0
        pull(server.url, tmp_path / "t")
    assert contents(tmp_path / "t") == contents(trace.path)


@pytest.mark.parametrize(
    "damage", ["flip", "short", "long", "missing", "manifest", "no manifest", "large manifest"]
)
def test_what_is_damaged_there_does_not_arrive(trace, tmp_path, damage):
    shutil.copytree(trace.path, tmp_path / "there")
    file = tmp_path / "there/events-00000.parquet"
    data = file.read_bytes()
    if damage == "flip":
        file.write_bytes(data[:500] + bytes([data[500] ^ 4]) + data[501:])
    elif damage == "short":
        file.write_bytes(data[:-1])
    elif damage == "long":
        file.write_bytes(data[:-100] + b"x" * 200)
    elif damage == "missing":
        file.unlink()
    elif damage == "manifest":
        manifest = tmp_path / "there/manifest.json"
        manifest.write_text(manifest.read_text().replace('"cpus": 2', '"cpus": 3'))
    elif damage == "no manifest":
        (tmp_path / "there/manifest.json").unlink()
    else:
        (tmp_path / "there/manifest.json").write_bytes(b"[" + b" " * (5 << 20) + b"]")
    with serve(tmp_path / "there") as server, pytest.raises(TmemlabError) as error:
        pull(server.url, tmp_path / "t")
    assert "\n" not in str(error.value)
    assert server.url in str(error.value)
    assert not (tmp_path / "t").exists()


def test_the_manifest_that_was_asked_for(trace, tmp_path):
    digest = file_sha256(trace.path / "manifest.json")
    pull(str(trace.path), tmp_path / "a", sha256=digest)
    with pytest.raises(TraceError, match="is not the one that was asked for"):
        pull(str(trace.path), tmp_path / "b", sha256="0" * 64)
    assert not (tmp_path / "b").exists()


@pytest.fixture
def s3(monkeypatch):
    server_module = pytest.importorskip("moto.server", reason="install the extra interop")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in (
        ("AWS_ENDPOINT_URL", f"http://{host}:{port}"), ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    import boto3

    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}")
    client.create_bucket(Bucket="traces")
    yield client
    server.stop()


def test_s3_there_and_back(trace, tmp_path, s3):
    push(trace, "s3://traces/redis/one")
    listed = s3.list_objects_v2(Bucket="traces")["Contents"]
    assert {item["Key"].rsplit("/", 1)[1]: item["Size"] for item in listed} == {
        name: len(data) for name, data in contents(trace.path).items()
    }
    body = s3.get_object(Bucket="traces", Key="redis/one/manifest.json")["Body"].read()
    assert body == (trace.path / "manifest.json").read_bytes()
    pull("s3://traces/redis/one", tmp_path / "t")
    assert contents(tmp_path / "t") == contents(trace.path)
    assert push(trace, "s3://traces/redis/one") == 0


def test_s3_resumes_and_finds_damage(trace, tmp_path, s3):
    push(trace, "s3://traces/one")
    s3.delete_object(Bucket="traces", Key="one/manifest.json")
    with pytest.raises(TraceError, match=r"has no manifest\.json"):
        pull("s3://traces/one", tmp_path / "t")
    s3.put_object(
        Bucket="traces", Key="one/tasks.parquet", Body=b"x" * (trace.path / "tasks.parquet").stat().st_size
    )
    sent = push(trace, "s3://traces/one")
    assert sent == sum((trace.path / n).stat().st_size for n in ("manifest.json", "tasks.parquet"))
    s3.put_object(
        Bucket="traces", Key="one/tasks.parquet", Body=b"x" * (trace.path / "tasks.parquet").stat().st_size
    )
    with pytest.raises(TraceError, match=r"tasks\.parquet does not match its checksum"):
        pull("s3://traces/one", tmp_path / "t")


GCS = """
import http.server, sys
import gcp_storage_emulator.server as emulator
emulator.server.HTTPServer = http.server.ThreadingHTTPServer  # a client keeps more than one connection open
server = emulator.create_server("127.0.0.1", 0, in_memory=True, default_bucket="traces")
server.start()
print(server._api._httpd.server_port, flush=True)
sys.stdin.read()
server.stop()
"""


@pytest.fixture
def gcs(monkeypatch):
    """An emulator in a process of its own: pyarrow's client holds Python's lock while it reads."""
    pytest.importorskip("gcp_storage_emulator", reason="install the extra interop")
    run = [sys.executable, "-c", GCS]
    with subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        monkeypatch.setenv("CLOUD_STORAGE_EMULATOR_ENDPOINT", url)
        yield url
        server.stdin.close()


def test_gcs_there_and_back(trace, tmp_path, gcs):
    place = "gs://anonymous@traces/redis/one"
    assert push(trace, place) == sum(len(data) for data in contents(trace.path).values())
    for name, data in contents(trace.path).items():
        with urllib.request.urlopen(f"{gcs}/storage/v1/b/traces/o/redis%2Fone%2F{name}?alt=media") as answer:
            assert answer.read() == data
    assert push(trace, place) == 0
    pull(place, tmp_path / "t")
    assert contents(tmp_path / "t") == contents(trace.path)
    urllib.request.urlopen(
        urllib.request.Request(f"{gcs}/storage/v1/b/traces/o/redis%2Fone%2Fmanifest.json", method="DELETE")
    )
    with pytest.raises(TraceError, match=r"has no manifest\.json"):
        pull(place, tmp_path / "u")
    assert push(trace, place) == (trace.path / "manifest.json").stat().st_size


class HubHandler(Handler):
    """The part of Hugging Face's interface that reading a dataset uses: what it is, its tree, its files."""

    def answer(self, body):
        repository = "/datasets/me/traces"
        if self.path.startswith(f"/api{repository}"):
            tree = [
                {"type": "file", "path": f"one/{file.name}", "size": file.stat().st_size, "oid": "a" * 40}
                for file in self.server.directory.iterdir()
            ]
            about = {"_id": "x", "id": "me/traces", "sha": "b" * 40, "siblings": []}
            data = json.dumps(tree if "/tree/" in self.path else about).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data if body else b"")
            return
        self.path = self.path.removeprefix(f"{repository}/resolve/main/one")
        super().answer(body)


def test_pull_from_the_hub(trace, tmp_path):
    """In a process of its own: the client reads its endpoint when it is imported."""
    pytest.importorskip("huggingface_hub", reason="install the extra interop")
    with serve(trace.path, handler=HubHandler) as server:
        get = "import sys; from pathlib import Path; from tmemlab.datasets.share.transfer import pull; "
        get += "pull('hf://datasets/me/traces/one', Path(sys.argv[1]))"
        done = subprocess.run(
            [sys.executable, "-c", get, str(tmp_path / "t")], capture_output=True, text=True, check=False,
            env=os.environ | {"HF_ENDPOINT": server.url, "HF_TOKEN": "none", "HF_HOME": str(tmp_path / "home")},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "events-00000.parquet" in [name for name, _ in server.asked]
    assert contents(tmp_path / "t") == contents(trace.path)


def test_places_that_are_none(trace, tmp_path, s3):
    for url, kind, message in (
        ("ftp://example.org/x", InvalidInputError, "has the scheme 'ftp'"),
        ("http://127.0.0.1:9/x", TmemlabError, "cannot be reached"),
        ("s3://no-such-bucket/x", TmemlabError, "no-such-bucket"),
        (str(tmp_path / "none"), TraceError, r"has no manifest\.json"),
    ):
        with pytest.raises(kind, match=message) as error:
            pull(url, tmp_path / "t")
        assert "\n" not in str(error.value)
    with pytest.raises(InvalidInputError, match="can only be read"):
        push(trace, "http://127.0.0.1:9/x")
    (tmp_path / "t").write_text("precious")
    with pytest.raises(InvalidInputError, match="already exists"):
        pull(str(trace.path), tmp_path / "t")
    with pytest.raises(TmemlabError, match="cannot be"):
        push(trace, "/proc/none/x")


@pytest.mark.parametrize(("scheme", "module"), [("hf", "huggingface_hub"), ("https", "aiohttp")])
def test_what_is_missing_is_named(tmp_path, monkeypatch, scheme, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(TmemlabError, match=rf"{scheme}:// needs {module}: install tmemlab\[cloud\]"):
        pull(f"{scheme}://datasets/x/y", tmp_path / "t")
