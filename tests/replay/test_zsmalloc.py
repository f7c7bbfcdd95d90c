"""Size classes against figures worked out elsewhere and measured on a kernel."""

import pytest

from tmemlab.world.allocators.zsmalloc import class_tables, size_classes, tenth

from .build import S, columns, replay

# size (pages a zspage, objects): the distinct classes of chain size 8 from whole pages down to 1024 bytes
CHAIN_8 = """4096(1,1) 3632(8,9) 3584(7,8) 3504(6,7) 3408(5,6) 3264(4,5) 3184(7,9) 3072(3,4) 2976(8,11) 2912(5,7)
2864(7,10) 2720(2,3) 2592(7,11) 2560(5,8) 2512(8,13) 2448(3,5) 2384(7,12) 2336(4,7) 2272(5,9) 2224(6,11) 2192(7,13)
2176(8,15) 2048(1,2) 1920(8,17) 1904(7,15) 1888(6,13) 1856(5,11) 1808(4,9) 1792(7,16) 1744(3,7) 1712(8,19)
1696(5,12) 1680(7,17) 1632(2,5) 1584(7,18) 1568(5,13) 1552(8,21) 1536(3,8) 1504(7,19) 1488(4,11) 1456(5,14)
1440(6,17) 1424(8,23) 1360(1,3) 1296(7,22) 1280(5,16) 1248(4,13) 1232(7,23) 1216(3,10) 1200(5,17) 1184(7,24)
1168(2,7) 1136(5,18) 1120(8,29) 1104(3,11) 1088(4,15) 1072(5,19) 1056(8,31) 1024(1,4)"""


def test_the_distinct_classes_of_chain_size_8() -> None:
    assert [f"{size}({pages},{objects})" for size, pages, objects in size_classes(8)][: len(CHAIN_8.split())] == (
        CHAIN_8.split()
    )


@pytest.mark.parametrize(("chain", "count", "huge"), [(8, 119, 3632), (16, 192, 3840)])
def test_number_of_classes_and_the_huge_watermark(chain: int, count: int, huge: int) -> None:
    classes = size_classes(chain)
    assert len(classes) == count
    assert classes[1][0] == huge


@pytest.mark.parametrize(
    ("length", "bytes_each"),
    [(100, 112.0), (500, 512), (1024, 1057.0), (1300, 1365.3), (2000, 2048), (2048, 2184.5), (2500, 2520.6),
     (3000, 3072), (3256, 3276.8), (3257, 3413.3), (3624, 3640.9), (3625, 4096), (4096, 4096)],
)  # fmt: skip
def test_bytes_an_object_takes(length: int, bytes_each: float) -> None:
    class_of, classes = class_tables()
    chosen = classes[class_of[length]]
    assert chosen["pages"] * 4096 / chosen["objects"] == pytest.approx(bytes_each, abs=0.06)


@pytest.mark.parametrize(("length", "used"), [(2662, 5464064), (3505, 7168000), (3614, 7307264), (3700, 8192000)])
def test_two_thousand_pages_take_what_a_kernel_took(length: int, used: int) -> None:
    """mem_used_total of zram on a 6.18 kernel after storing 2000 pages that compress to ``length`` bytes."""
    row = replay(columns([(S, page) for page in range(2000)], clen=length), "bounds.unbounded")
    assert row.pool_bytes["peak"] == used


def test_fullness_in_tenths_needs_no_division() -> None:
    for objects in range(1, 1025):
        assert all(inuse * tenth(objects) >> 20 == inuse * 10 // objects for inuse in range(objects))
