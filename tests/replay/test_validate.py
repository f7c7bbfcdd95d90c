"""What validate measures and predicts, and which policy it takes a manifest to mean."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.factory import make_trace, sample
from tmemlab.datasets.derive.redact import redacted_manifest
from tmemlab.datasets.trace.manifest import Manifest, StartEnd, SwapDevice
from tmemlab.datasets.trace.read import Trace
from tmemlab.errors import InvalidInputError
from tmemlab.replay.inputs.recorded_settings import recorded_policy, zram_devices
from tmemlab.replay.validate import validate

MIB, GIB = 1 << 20, 1 << 30
REDIS_LIMIT = Path(__file__).parents[2] / "experiments" / "traces" / "redis-limit"


def manifest(path: Path, release: str = "6.18.1", **changes: Any) -> Manifest:
    found = Trace.open(make_trace(path, [(0, "store", 0, 100)])).manifest
    kernel = type(found.kernel)(release, "x86_64")
    return found.replace(kernel=kernel, ram_bytes=GIB, **changes)


def zswap(**settings: str) -> dict[str, StartEnd]:
    both = {"enabled": "Y", "max_pool_percent": "5", **settings}
    return {"zswap": StartEnd(both, dict(both))}


@pytest.mark.parametrize(
    ("release", "name"),
    [
        ("3.11.0", "zswap.v3_11"), ("5.5.19", "zswap.v3_11"), ("5.6.0", "zswap.v5_6"), ("6.1.0-18", "zswap.v5_6"),
        ("6.4.16", "zswap.v5_6"), ("6.5.0", "zswap.v6_5"), ("6.7.12", "zswap.v6_5"), ("6.8.0-31", "zswap.v6_8"),
        ("6.11.1", "zswap.v6_8"), ("6.12.0", "zswap.v6_12"), ("6.14.2", "zswap.v6_12"), ("6.15.0", "zswap.v6_18"),
        ("6.18.44", "zswap.v6_18"), ("7.1.5", "zswap.v6_18"),
    ],
)  # fmt: skip
def test_the_kernel_decides_which_zswap_it_was(tmp_path: Path, release: str, name: str) -> None:
    policy = recorded_policy(manifest(tmp_path / "t", release, **zswap()))
    assert (policy.name, policy.__dict__["max_pool_percent"]) == (name, 5.0)


def test_settings_go_by_the_kernels_names(tmp_path: Path) -> None:
    settings = {"zpool": "z3fold", "same_filled_pages_enabled": "N", "exclusive_loads": "Y", "compressor": "lzo",
                "accept_threshold_percent": "70", "shrinker_enabled": "Y"}  # fmt: skip
    found = recorded_policy(manifest(tmp_path / "t", "6.8.9", **zswap(**settings))).__dict__
    expected = {"zpool": "z3fold", "same_filled_pages_enabled": "off", "exclusive_loads": "on", "shrinker": "on",
                "accept_threshold_percent": 70.0}  # fmt: skip
    assert {key: found[key] for key in expected} == expected


def test_the_workers_delay_is_taken_where_it_was_measured(tmp_path: Path) -> None:
    plain = manifest(tmp_path / "t", **zswap())
    timed = plain.replace(extra={**plain.extra, "zswap_worker": {"delay_us": 170.5, "runs": 12}})
    assert recorded_policy(timed).__dict__["worker_start_us"] == 170.5


def test_the_look_at_a_written_entry_is_counted_once(tmp_path: Path) -> None:
    plain = manifest(tmp_path / "t", **zswap())
    timed = plain.replace(extra={**plain.extra, "zswap_worker": {"visit_us": 9.0, "page_us": 42.0, "runs": 12}})
    found = recorded_policy(timed).__dict__
    assert (found["worker_visit_us"], found["worker_page_us"]) == (9, 33)


def test_the_shrinker_finds_nothing_on_version_one(tmp_path: Path) -> None:
    host = manifest(tmp_path / "t", **zswap(shrinker_enabled="Y"))
    for version, shrinker in ((1, "off"), (2, "on")):
        there = host.replace(extra={**host.extra, "memory_cgroups": version})
        assert recorded_policy(there).__dict__["shrinker"] == shrinker
    assert recorded_policy(host).__dict__["shrinker"] == "on"


@pytest.mark.parametrize(("limit", "pages"), [
    (36 * MIB, 4608),  # half
    (4 * GIB, 4 * 262144 // 7),  # the square root of 40 is 6
    (40 * GIB, 40 * 262144 // 21),
])  # fmt: skip
def test_the_inactive_list_is_as_long_as_reclaim_keeps_it(tmp_path: Path, limit: int, pages: int) -> None:
    host = manifest(tmp_path / "t", **zswap(shrinker_enabled="Y"))
    limited = host.replace(extra={**host.extra, "command": {"memory_limit": limit}})
    assert recorded_policy(limited).__dict__["inactive_pages"] == pages


def test_what_a_manifest_cannot_mean_is_said(tmp_path: Path) -> None:
    host = manifest(tmp_path / "t", **zswap())
    for changes, message in (
        ({"zswap": StartEnd({"enabled": "Y"}, {"enabled": "N"})}, "zswap's enabled changed"),
        (zswap(zpool="slab"), "zpool=slab is not one of"),
        (zswap(max_pool_percent="many"), "is 'many', and not a number"),
    ):
        kernel = type(host.kernel)("6.8.0", "x86_64")
        with pytest.raises(InvalidInputError, match=message):
            recorded_policy(host.replace(kernel=kernel, **changes))
    with pytest.raises(InvalidInputError, match="had no zswap"):
        recorded_policy(host.replace(kernel=type(host.kernel)("3.10.0", "x86_64")))


def zram_host(path: Path, *more: SwapDevice, name: str = "/dev/zram0") -> Manifest:
    settings = {"device": "zram0", "disksize": GIB // 4, "mm_stat": f"0 0 0 {64 * MIB} 0 0 0 0 0"}
    areas = [SwapDevice(name, "partition", GIB // 4 - 4096, 100), *more]
    off = StartEnd({"enabled": "N"}, {"enabled": "N"})
    return manifest(path, zswap=off, zram=[settings], swap=areas)


def test_zram_where_zswap_is_off(tmp_path: Path) -> None:
    alone = recorded_policy(zram_host(tmp_path / "t"))
    values = alone.__dict__
    assert alone.name == "zram.basic"
    assert values["disksize_percent"] == pytest.approx(25, abs=0.01)
    assert (values["mem_limit_percent"], values["fallback"]) == (6.25, "none")
    disk = SwapDevice("/dev/sda2", "partition", GIB, -2)
    assert recorded_policy(zram_host(tmp_path / "u", disk)).__dict__["fallback"] == "disk"


def test_a_zram_device_without_its_name_is_known_by_its_size(tmp_path: Path) -> None:
    host = zram_host(tmp_path / "t", SwapDevice("swap1", "file", GIB // 2, -2), name="swap0")
    assert zram_devices(host.replace(anonymised=True)) == [0]
    assert zram_devices(host) == []  # names are there: a partition is a partition


def test_a_file_of_a_zram_devices_size_is_a_file(tmp_path: Path) -> None:
    twin = SwapDevice("/var/swap", "file", GIB // 4 - 4096, -2)
    host = zram_host(tmp_path / "t", twin)
    assert zram_devices(host) == [0]
    assert zram_devices(redacted_manifest(host)) == [0]  # the type stays, where names are taken out


def test_no_pool_at_all(tmp_path: Path) -> None:
    off = StartEnd({"enabled": "N"}, {"enabled": "N"})
    assert recorded_policy(manifest(tmp_path / "t", zswap=off)).name == "bounds.none"


def edited(path: Path, host: Manifest) -> Path:
    """The trace at ``path`` as if it were of ``host``."""
    now = Trace.open(path).manifest
    keep = {key: getattr(now, key) for key in ("files", "events", "certificate", "kernel_counters", "duration_ns")}
    (path / "manifest.json").write_text(host.replace(**keep).to_json())
    return path


def test_traffic_with_a_zram_device_is_with_the_pool(tmp_path: Path) -> None:
    # Slots of device 0 (zram) and of device 1, a disk that took what the first had no slot for.
    disk = 1 << 28
    events = [
        (0, "store", 0, 900, {"where": 1, "slot": 5}), (10, "store", 1, 900, {"where": 1, "slot": disk + 5}),
        (20, "load", 0, None, {"where": 1, "slot": 5}), (30, "load", 1, None, {"where": 1, "slot": disk + 5}),
    ]  # fmt: skip
    path = make_trace(tmp_path / "t", events, samples=[sample(0, 400 * MIB)])
    host = zram_host(tmp_path / "u", SwapDevice("/dev/sda2", "partition", GIB, -2))
    found = validate(edited(path, host))
    assert (found.measured["loads_pool"], found.measured["loads_disk"]) == (1, 1)
    assert (found.measured["stores_accepted"], found.measured["stores_rejected"]) == (1, 1)
    assert found.predicted["loads_pool"] == 2


def test_every_number_against_a_hand_count(tmp_path: Path) -> None:
    # The kernel: page 0 into the pool, 1 rejected, 2 a zero page, 0 found, 1 from disk, 2 zero. One OOM kill.
    where = {"pool": 0, "disk": 1, "zero": 2, "rejected": 3}
    events = [
        (0, "store", 0, 900, {"where": where["pool"]}), (10, "store", 1, 900, {"where": where["rejected"]}),
        (20, "store", 2, 0, {"where": where["zero"]}), (30, "load", 0, None, {"where": where["pool"]}),
        (40, "load", 1, None, {"where": where["disk"]}), (50, "load", 2, None, {"where": where["zero"]}),
    ]  # fmt: skip
    pools = {0: 0, 5: 4096, 45: 12288}
    samples = [sample(t, 200 * MIB, pool_bytes=pool, pool_stored_bytes=8192) for t, pool in pools.items()]
    path = make_trace(tmp_path / "t", events, samples=samples, pressure=[(44, 4, 0, 0, 77)],
                      manifest={"kernel_counters": {"zswpwb": 3}})  # fmt: skip
    found = validate(path)
    assert found.measured == {
        "hit_rate": 2 / 3, "loads_pool": 1, "loads_disk": 1, "loads_zero": 1, "loads_failed": 0,
        "stores_accepted": 1, "stores_failed": 0,
        "stores_rejected": 1, "stores_zero": 1, "written_back": 3, "pool_bytes_mean": 16384 / 3,
        "pool_bytes_peak": 12288, "oom_kills": 1,
    }  # fmt: skip
    assert found.confusion["disk"] == {"pool": 1, "disk": 0, "zero": 0, "failed": 0}
    assert found.stores_confusion["disk"] == {"pool": 1, "disk": 0, "zero": 0, "failed": 0}
    assert found.stores_confusion["zero"] == {"pool": 0, "disk": 0, "zero": 1, "failed": 0}
    guess = np.array([0.0, 4096.0, 4096.0])  # in the replay both objects of 900 bytes fit one page
    assert found.predicted["pool_bytes_mean"] == pytest.approx(guess.mean(), abs=4096 * 3)
    document = json.loads(json.dumps(found.as_json()))
    assert document["error"]["oom_kills"] == -1
    assert document["pool_rms"] >= document["pool_error"] > 0


def test_given_the_kernels_runs_of_the_worker_a_replay_does_what_the_kernel_did() -> None:
    """A pool at its limit: the kernel wrote 38,182 pages back and rejected 80,229 stores."""
    found = validate(REDIS_LIMIT)
    assert found.worker_runs == 4343
    for key in ("loads_pool", "loads_disk", "stores_accepted", "stores_rejected", "written_back"):
        assert found.predicted[key] == pytest.approx(found.measured[key], rel=0.001), key
    assert found.agreement is not None
    assert found.agreement > 0.999


def test_by_its_mean_times_the_worker_does_about_as_much() -> None:
    found = validate(REDIS_LIMIT, follow_worker=False)
    assert found.worker_runs == 0
    assert found.error["hit_rate"] == pytest.approx(0, abs=0.03)
    assert found.predicted["written_back"] == pytest.approx(found.measured["written_back"], rel=0.05)


def test_the_share_that_reclaim_got_is_taken_where_it_was_measured(tmp_path: Path) -> None:
    plain = manifest(tmp_path / "t", **zswap())
    told = plain.replace(extra={**plain.extra, "reclaim": {"scanned": 400, "reclaimed": 100}})
    assert recorded_policy(plain).__dict__["reclaimed_share"] == 1.0
    assert recorded_policy(told).__dict__["reclaimed_share"] == 0.25
