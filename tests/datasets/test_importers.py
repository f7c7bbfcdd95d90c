"""Importers of text: against files that the real tools made, against parsers of a line each, and against damage.

golden/lackey.txt is valgrind 3.19's, perf-*.txt are perf script 6.1's of live page faults, of a loop device and of
a kernel's DAMON, trace-cmd-*.txt are trace-cmd 3.1.6's reports and bpftrace.txt is bpftrace 0.17's, of a program
that swaps (tools/record_goldens.py); blkparse.txt is blkparse 1.2's reading of a handful of binary
records, blkparse-swap.txt what blktrace recorded on Linux 6.12 of a swap partition without a pool.
"""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.factory import relabel
from tmemlab.datasets.formats.registry import formats, import_trace
from tmemlab.datasets.trace.read import Trace
from tmemlab.datasets.trace.schema import NO_CLEN
from tmemlab.datasets.trace.verify import verify
from tmemlab.errors import InvalidInputError, TmemlabError, TraceError

GOLDEN = Path(__file__).parent / "golden"


def imported(path, out, name, **options):
    import_trace(path, out, name, **options)
    assert verify(out) == []
    trace = Trace.open(out)
    return trace, trace.events()


def of_text(tmp_path, text, name, **options):
    (tmp_path / "x.txt").write_text(text)
    return imported(tmp_path / "x.txt", tmp_path / "t", name, **options)


def test_lackey_of_the_real_valgrind(tmp_path):
    trace, events = imported(GOLDEN / "lackey.txt", tmp_path / "t", "lackey")
    pages, times, count = [], [], 0
    for line in (GOLDEN / "lackey.txt").read_text().splitlines():
        if line.startswith("=="):
            continue
        count += line[0] == "I"
        address, size = line[3:].split(",")
        for page in sorted({int(address, 16) // 4096, (int(address, 16) + int(size) - 1) // 4096}):
            if not pages or pages[-1] != page:
                pages.append(page)
                times.append(count)
    assert events["page"].tolist() == relabel(pages)
    assert events["t"].tolist() == [t - times[0] for t in times]
    assert trace.column("pages", "vpn").tolist() == [page - min(pages) for page in dict.fromkeys(pages)]
    assert trace.manifest.kind == "access"


def test_page_faults_of_the_real_perf(tmp_path):
    trace, events = imported(GOLDEN / "perf-faults.txt", tmp_path / "t", "perf")
    lines = [line.split() for line in (GOLDEN / "perf-faults.txt").read_text().splitlines()]
    seconds = [fields[3].rstrip(":").split(".") for fields in lines]
    times = [int(s) * 10**9 + int(n) for s, n in seconds]
    pages = [(fields[1], int(fields[5].removeprefix("address="), 16) // 4096) for fields in lines]
    assert events["t"].tolist() == [t - times[0] for t in times]
    assert events["page"].tolist() == relabel(pages)
    assert trace.table("tasks").to_pylist()[0]["comm"] == lines[0][0]


@pytest.mark.parametrize(("which", "event"), [("block", "block_rq_issue"), ("bio", "block_bio_queue")])
def test_block_requests_of_the_real_perf(tmp_path, which, event):
    trace, events = imported(GOLDEN / "perf-block.txt", tmp_path / "t", "perf", events=which)
    expected, alive = [], {}
    for line in (GOLDEN / "perf-block.txt").read_text().splitlines():
        if f"block:{event}:" not in line:
            continue
        fields = line.split(f"{event}: ")[1].split()
        rwbs, plus = fields[1], fields.index("+")
        op = 2 if "D" in rwbs else 0 if "W" in rwbs else 1
        for slot in range(int(fields[plus - 1]) // 8, (int(fields[plus - 1]) + int(fields[plus + 1])) // 8):
            if alive.get(slot, op != 2) or op == 0:
                expected.append((op, slot))
                alive[slot] = op != 2
    assert {op for op, _ in expected} == {0, 1, 2}
    assert events["op"].tolist() == [op for op, _ in expected]
    assert events["page"].tolist() == relabel(slot for _, slot in expected)
    assert trace.manifest.kind == "swap"


def test_blkparse_of_the_real_tool(tmp_path):
    trace, events = imported(GOLDEN / "blkparse.txt", tmp_path / "t", "blkparse")
    slots = [100, *range(101, 109), 100, 101, 102, *range(100, 109)]
    assert events["page"].tolist() == relabel(slots)
    assert events["op"].tolist() == [0] * 9 + [1] * 3 + [2] * 9
    assert events["t"].tolist()[:2] == [0, 1500]
    assert events["t"].tolist()[-1] == 1_999_999_000
    assert [row["comm"] for row in trace.table("tasks").to_pylist()] == ["kswapd0", "python3"]
    _, issued = imported(GOLDEN / "blkparse.txt", tmp_path / "d", "blkparse", action="D")
    assert issued["page"].tolist() == [0]


def test_blkparse_of_a_swapping_kernel_has_what_the_kernel_counted(tmp_path):
    """The kernel's own counters over the same seconds: pswpout 863, pswpin 536."""
    _, events = imported(GOLDEN / "blkparse-swap.txt", tmp_path / "t", "blkparse")
    assert np.bincount(events["op"]).tolist() == [863, 536]
    assert (events["page"][events["op"] == 1] < 863).all()  # nothing is read that was not written


def test_trace_cmd_report(tmp_path):
    text = """cpus=2
          redis-1-24205 [001]  7424.578731: page_fault_user:      address=0x7f923ce82b70 ip=0x7f923ce82b70 error_code=0x14
           <idle>-0     [000]  7424.578732: sched_wakeup:         comm=x pid=1 prio=120 target_cpu=000
          redis-1-24205 [001] d..1. 7424.578865: page_fault_user: address=0x7f923ce82000 ip=0x7f923ce837ad error_code=0x6
              cat-7     [000]  7424.578999: page_fault_user:      address=0x7f923ce82b70 ip=0x7f923ce82b70 error_code=0x14
"""  # noqa: E501 - the lines are the tool's
    trace, events = of_text(tmp_path, text, "perf")
    assert events["page"].tolist() == [0, 0, 1]
    assert events["t"].tolist() == [0, 134_000, 268_000]
    assert [(row["pid"], row["comm"]) for row in trace.table("tasks").to_pylist()] == [
        (24205, "redis-1"),
        (7, "cat"),
    ]


def slots(lines):
    """Events (op, slot) of lines that are rwbs, sector, sectors: what cannot be left out."""
    found, alive = [], {}
    for rwbs, sector, sectors in lines:
        op = 2 if "D" in rwbs else 0 if "W" in rwbs else 1
        for slot in range(int(sector) // 8, (int(sector) + int(sectors)) // 8):
            if op == 0 or alive.get(slot, op == 1):
                found.append((op, slot))
                alive[slot] = op != 2
    return found


@pytest.mark.parametrize("tool", ["perf-swap", "trace-cmd-block"])
@pytest.mark.parametrize(("which", "event"), [("block", "block_rq_issue"), ("bio", "block_bio_queue")])
def test_swap_traffic_of_the_real_tools(tmp_path, tool, which, event):
    trace, events = imported(GOLDEN / f"{tool}.txt", tmp_path / "t", "perf", events=which)
    lines = [
        line.split(f"{event}:")[1].split()
        for line in (GOLDEN / f"{tool}.txt").read_text().splitlines()
        if f"{event}:" in line
    ]
    expected = slots((line[1], line[line.index("+") - 1], line[line.index("+") + 1]) for line in lines)
    assert {op for op, _ in expected} >= {0}
    assert list(zip(events["op"].tolist(), events["page"].tolist(), strict=True)) == list(
        zip([op for op, _ in expected], relabel(slot for _, slot in expected), strict=True)
    )
    assert {row["comm"] for row in trace.table("tasks").to_pylist()} >= {"stress-ng-vm"}


def test_page_faults_of_the_real_trace_cmd(tmp_path):
    _, events = imported(GOLDEN / "trace-cmd-faults.txt", tmp_path / "t", "perf")
    text = (GOLDEN / "trace-cmd-faults.txt").read_text()
    found = re.findall(r"-(\d+) +\[\d+\] +(\d+)\.(\d{6}): page_fault_user: +address=0x([0-9a-f]+)", text)
    times = [int(s) * 10**9 + int(us) * 1000 for _, s, us, _ in found]
    assert len(found) == len(text.splitlines()) - 1
    assert events["t"].tolist() == [t - times[0] for t in times]
    assert events["page"].tolist() == relabel((pid, int(address, 16) // 4096) for pid, _, _, address in found)


def test_swap_traffic_of_the_real_bpftrace(tmp_path):
    _, events = imported(GOLDEN / "bpftrace.txt", tmp_path / "t", "bpftrace")
    lines = [line.split() for line in (GOLDEN / "bpftrace.txt").read_text().splitlines()[1:]]
    expected = slots(line[1:4] for line in lines)
    assert {op for op, _ in expected} >= {0, 1}
    assert events["op"].tolist() == [op for op, _ in expected]
    assert events["page"].tolist() == relabel(slot for _, slot in expected)


@pytest.mark.parametrize(
    ("file", "name", "options"),
    [
        ("perf-swap", "perf", {"events": "bio"}), ("trace-cmd-block", "perf", {"events": "bio"}),
        ("trace-cmd-faults", "perf", {}), ("bpftrace", "bpftrace", {}), ("lackey", "lackey", {}),
    ],
)  # fmt: skip
def test_a_file_that_ends_inside_a_line(tmp_path, file, name, options):
    """Cut at every byte of its last lines: the line is named, or what is left of it was whole."""
    data = (GOLDEN / f"{file}.txt").read_bytes()
    refused = 0
    for cut in range(len(data) - 90, len(data)):
        (tmp_path / "x").write_bytes(data[:cut])
        lines = data[:cut].count(b"\n") + (data[cut - 1 : cut] != b"\n")
        try:
            import_trace(tmp_path / "x", tmp_path / f"t{cut}", name, **options)
        except TraceError as error:
            assert f"line {lines}: " in str(error)
            refused += 1
    assert refused


def test_damon_of_the_real_kernel(tmp_path):
    _, events = imported(GOLDEN / "perf-damon.txt", tmp_path / "t", "perf", events="damon")
    text = (GOLDEN / "perf-damon.txt").read_text()
    found = re.findall(r" (\d+)\.(\d{6}): .*target_id=0 nr_regions=\d+ (\d+)-(\d+): (\d+) \d+", text)
    assert len(found) == len(text.splitlines())
    touches = [
        (int(s) * 10**9 + int(us) * 1000, page)
        for s, us, start, end, accesses in found
        if accesses != "0"
        for page in range(int(start) // 4096, int(end) // 4096)
    ]
    assert len(touches) > 1000
    assert events["t"].tolist() == [t - touches[0][0] for t, _ in touches]
    assert events["page"].tolist() == relabel(page for _, page in touches)


def test_damon_regions(tmp_path):
    head = (
        "kdamond.0  4452 [000] 82877.31563{}: damon:damon_aggregated: target_id=18446623435582458880 nr_regions=2 "
    )
    text = (
        head.format(3)
        + "4096-12288: 1 3\n"
        + head.format(3)
        + "12288-20480: 0 3\n"
        + head.format(9)
        + "8192-16384: 5\n"
    )
    trace, events = of_text(tmp_path, text, "perf", events="damon")
    assert events["page"].tolist() == relabel([1, 2, 2, 3])
    assert events["t"].tolist() == [0, 0, 6000, 6000]
    assert trace.manifest.kind == "access"


def test_bpftrace(tmp_path):
    lines = ("1000 W 80 16 55 kswapd0", "2000 RA 88 8 77 my prog", "3000 FF 0 0 1 x", "4000 D 80 8 1 x")
    text = "\n".join(["Attaching 1 probe...", *lines])
    trace, events = of_text(tmp_path, text, "bpftrace")
    assert events["op"].tolist() == [0, 0, 1, 2]
    assert events["page"].tolist() == [0, 1, 1, 0]
    assert events["t"].tolist() == [0, 0, 1000, 3000]
    assert [row["comm"] for row in trace.table("tasks").to_pylist()] == ["kswapd0", "my prog", "x"]


def test_swapreplay(tmp_path):
    trace, events = of_text(tmp_path, "# sector rw clen\n800 1 1200\n808 1 0\n800 0 0\n800 1 900\n", "swapreplay")
    assert events["op"].tolist() == [0, 0, 1, 0]
    assert events["page"].tolist() == [0, 1, 0, 0]
    assert events["clen"].tolist() == [1200, 0, NO_CLEN, 900]
    assert events["t"].tolist() == [0, 1000, 2000, 3000]
    assert trace.manifest.clen.method == "measured"


def parquet(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path


def test_parquet_of_others(tmp_path):
    when = pa.array([5, 6, 9], pa.timestamp("us"))
    file = parquet(
        tmp_path / "x", when=when, addr=pa.array([7, 2**63, 7], pa.uint64()), size=pa.array([1, None, 3])
    )
    options = {"columns": {"t": "when", "page": "addr", "clen": "size"}}
    _, events = imported(file, tmp_path / "t", "parquet", **options)
    assert events["t"].tolist() == [0, 1000, 4000]
    assert events["page"].tolist() == [0, 1, 0]
    assert events["clen"].tolist() == [1, NO_CLEN, 3]


def test_parquet_of_ours(tmp_path):
    """The events of a trace are a Parquet file of others, too."""
    trace, _ = of_text(tmp_path, "800 1 1200\n808 1 0\n800 0 0\n800 1 900\n", "swapreplay")
    _, events = imported(trace.path / "events-00000.parquet", tmp_path / "u", "parquet")
    before = trace.events()
    for name in ("t", "op", "page", "slot", "clen", "where", "flags", "latency"):
        np.testing.assert_array_equal(events[name], before[name])


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"t": [1, 0], "page": [1, 1]}, {}, "row 1 goes back in time"),
        ({"t": [1, -1], "page": [1, 1]}, {}, "row 1: t is out of range"),
        ({"t": [1, 2], "page": [1, -1]}, {}, "row 1: page is out of range"),
        ({"t": [1, None], "page": [1, 1]}, {}, "row 1: t is null"),
        ({"t": [1, 2], "page": [1, 1], "op": [0, 3]}, {}, "row 1: op is not 0, 1 or 2"),
        ({"t": [1, 2], "page": [1, 1], "clen": [0, 70000]}, {}, "row 1: clen is out of range"),
        ({"t": [1, 2], "x": [1, 1]}, {}, "has no single column 'page'"),
        ({"t": [1.5, 2], "page": [1, 1]}, {}, "t is double, and t needs integers"),
        ({"t": [1, 2], "page": [1, 1]}, {"time_unit": "days"}, "is not a unit of time"),
        ({"t": [1, 2], "page": [1, 1]}, {"columns": {"pages": "page"}}, "no column 'pages' to map to"),
    ],
)
def test_parquet_that_does_not_fit(tmp_path, columns, options, message):
    file = parquet(tmp_path / "x", **columns)
    with pytest.raises(TmemlabError) as error:
        import_trace(file, tmp_path / "t", "parquet", **options)
    assert message in str(error.value)
    assert not (tmp_path / "t").exists()


DAMAGED = [
    ("lackey", "I  0400,3\nI  0x400,3\n", "line 2: it is not an access"),
    ("lackey", " L 1ffeff7e0\n", "line 1: it is not an access"),
    ("lackey", "==1== nothing else\n", "has no event in its 1 lines"),
    ("lackey", "", "has no event in its 0 lines"),
    ("perf", "ls 1 [0] exceptions:page_fault_user: address=0x1\n", "line 1: it is not an event as perf script"),
    (
        "perf",
        "ls 1 [000] 1.000001: exceptions:page_fault_user: address=0x7f12",
        "line 1: the event has not the fields",
    ),
    ("perf", "ls 1 [000] 1.000001: exceptions:page_fault_user: ip=0x1\n", "line 1: the event has not the fields"),
    (
        "perf",
        "ls 1 [000] 2.000001: exceptions:page_fault_user: address=0x1 \nls 1 [000] 1.000001: exceptions:page_fault_user: address=0x1 \n",  # noqa: E501
        "line 2: goes back in time",
    ),
    ("perf", "x" * 70_000, "line 1 is longer than 65536 bytes"),
    ("blkparse", "  8,0  1  1  0.000000001  5  Q  W 8 + 8\n", "line 1: it ends inside a request"),
    (
        "blkparse",
        "  8,0  1  1  0.000000001  5  Q  W 8 + 8 [x]\n  8,1  1  1  0.000000002  5  Q  W 8 + 8 [x]\n",
        "line 2: there are requests of 8,0 and of 8,1",
    ),
    ("blkparse", "  8,0  1  1  0.000000001  5  Q  W 8 + 99999999 [x]\n", "line 1: a request of 99999999 sectors"),
    ("bpftrace", "1000 W 80 16 55\n", "line 1: it is not 'nsecs rwbs"),
    ("bpftrace", "1000 W eighty 16 55 x\n", "line 1: it is not 'nsecs rwbs"),
    ("bpftrace", "9" * 19 + "9 W 80 16 55 x\n", "line 1: it is not 'nsecs rwbs"),
    ("bpftrace", "9999999999999999999 W 80 16 55 x\n", "line 1: a number is out of range"),
    ("swapreplay", "800 1 1200\n800 2 100\n", "line 2: it is not 'sector R/W-bit"),
    ("swapreplay", "800 1\n", "line 1: it is not 'sector R/W-bit"),
    ("swapreplay", "800 1 99999\n", "line 1: a compressed length of 99999 bytes"),
]


@pytest.mark.parametrize(("name", "text", "message"), DAMAGED)
def test_damage_names_the_line(tmp_path, name, text, message):
    (tmp_path / "x").write_text(text)
    with pytest.raises(TraceError) as error:
        import_trace(tmp_path / "x", tmp_path / "t", name)
    assert message in str(error.value)
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_a_device_can_be_chosen(tmp_path):
    text = "  8,0  1  1  0.000000001  5  Q  W 8 + 8 [x]\n  8,1  1  1  0.000000002  5  Q  W 80 + 16 [x]\n"
    _, events = of_text(tmp_path, text, "blkparse", device="8,1")
    assert len(events["t"]) == 2
    with pytest.raises(InvalidInputError, match="'reads' are not events"):
        import_trace(tmp_path / "x.txt", tmp_path / "u", "perf", events="reads")


@pytest.mark.parametrize("name", [name for name, form in formats().items() if form.importer])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_bytes_through_every_importer(tmp_path, name, data):
    """Junk, and real files with a few bytes changed: one sentence or a sound trace, never anything else."""
    seeds = [path.read_bytes()[:3000] for path in sorted(GOLDEN.iterdir())]
    junk = data.draw(st.binary(max_size=400) | st.sampled_from(seeds))
    changed = bytearray(junk)
    for _ in range(data.draw(st.integers(0, 4))):
        if changed:
            changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    suffix = data.draw(st.sampled_from(["", ".zst"]))
    (tmp_path / f"x{suffix}").write_bytes(changed)
    out = tmp_path / "out"
    try:
        import_trace(tmp_path / f"x{suffix}", out, name)
    except TmemlabError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 1000
        assert not out.exists()
    else:
        assert verify(out) == []
        for file in out.iterdir():
            file.unlink()
        out.rmdir()


def test_what_cannot_be_is_left_out_and_counted(tmp_path):
    """Against a dictionary, in pieces of every size."""
    rng = np.random.default_rng(9)
    rows = [(i, int(rng.integers(0, 3)), int(rng.integers(0, 40))) for i in range(2000)]
    words = ("store", "load", "invalidate")
    (tmp_path / "x.csv").write_text("t,op,page\n" + "".join(f"{t},{words[op]},{page}\n" for t, op, page in rows))
    _, events = imported(tmp_path / "x.csv", tmp_path / "t", "csv")
    alive, kept = {}, []
    for row in rows:
        _, op, page = row
        if (op == 2 and not alive.get(page)) or (op == 1 and alive.get(page) is False):
            continue
        alive[page] = op != 2
        kept.append(row)
    assert events["t"].tolist() == [t for t, _, _ in kept]
    assert events["op"].tolist() == [op for _, op, _ in kept]
    assert events["page"].tolist() == relabel(page for _, _, page in kept)
    assert Trace.open(tmp_path / "t").manifest.provenance["left_out"] == 2000 - len(kept)
