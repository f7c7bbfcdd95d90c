"""Which area a slot is in, worked out by hand."""

from tmemlab.collect.matching.areas import ASSUMED, BY_KERNEL, BY_ORDER, UNKNOWN, swap_areas


def area(device: str, number: int | None = None) -> dict[str, object]:
    return {"device": device, "type": "file", "size_bytes": 1, "priority": -2, "type_number": number}


def test_the_kernels_numbers_are_taken_though_one_is_missing() -> None:
    areas = swap_areas([area("a", 1), area("b", 3)], [area("a"), area("b")], {3})
    assert areas.position == {1: 0, 3: 1}
    assert areas.how == BY_KERNEL


def test_an_area_that_was_added_has_the_number_that_nobody_has() -> None:
    areas = swap_areas([area("b", 1)], [area("new"), area("b")], {0, 1})
    assert [row["device"] for row in areas.rows] == ["b", "new"]
    assert areas.position == {1: 0, 0: 1}
    assert areas.how == BY_KERNEL


def test_without_the_kernels_word_the_order_of_those_in_use_says_it() -> None:
    assert swap_areas([area("a"), area("b")], [], {2, 5}).position == {2: 0, 5: 1}
    assert swap_areas([area("a"), area("b")], [], {2, 5}).how == BY_ORDER


def test_one_of_two_in_use_is_taken_to_be_in_its_place() -> None:
    areas = swap_areas([area("a"), area("b")], [], {1})
    assert areas.position == {0: 0, 1: 1}
    assert areas.how == ASSUMED


def test_a_number_that_fits_nowhere_has_no_device() -> None:
    areas = swap_areas([area("a"), area("b")], [], {4})
    assert areas.position == {}
    assert areas.how == UNKNOWN
