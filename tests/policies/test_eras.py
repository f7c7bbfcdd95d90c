"""Which version of a policy a kernel runs, and how a user may spell it."""

import pytest

from tests.cli.test_commands import run
from tmemlab.errors import InvalidInputError
from tmemlab.policies.catalogue import parse_policy
from tmemlab.policies.registry import family, find_policy, kernels, of_kernel


@pytest.mark.parametrize(
    ("release", "name"),
    [
        ("3.11.0", "v3_11"), ("4.19.0-27-amd64", "v3_11"), ("5.6.1", "v5_6"), ("6.1.0-56-amd64", "v5_6"),
        ("6.5.0", "v6_5"), ("6.8.0-31-generic", "v6_8"), ("6.12.117+deb12-amd64", "v6_12"), ("6.14.3", "v6_12"),
        ("6.15.0", "v6_18"), ("6.18.44", "v6_18"), ("7.1.0", "v6_18"),
    ],
)  # fmt: skip
def test_a_kernel_runs_the_last_version_that_had_begun(release: str, name: str) -> None:
    assert of_kernel("zswap", release).name == f"zswap.{name}"


@pytest.mark.parametrize("text", ["zswap.v6_18", "zswap.6.18", "zswap.v6.18", "zswap.6_18", "zswap.6.17"])
def test_a_version_may_be_spelled_as_kernels_are(text: str) -> None:
    assert find_policy(text).name == "zswap.v6_18"
    assert parse_policy(f"{text}:shrinker=on").shrinker == "on"  # type: ignore[attr-defined]


def test_a_family_alone_is_that_of_the_kernel() -> None:
    assert parse_policy("zswap", "6.1.0-56-amd64").name == "zswap.v5_6"
    assert parse_policy("zswap").name == "zswap.v6_18"
    assert parse_policy("zram", "6.18.44").name == "zram.basic"
    with pytest.raises(InvalidInputError, match=r"Linux 2\.6\.39 had no zswap"):
        parse_policy("zswap", "2.6.39")
    with pytest.raises(InvalidInputError, match=r"zswap\.v6_18"):
        parse_policy("zsawp")


def test_the_kernels_of_a_family_follow_each_other_without_a_gap() -> None:
    said = [kernels(kind) for kind in family("zswap")]
    assert said[0].startswith("3.11 to ")
    assert said[-1] == "6.15 and later"
    begun = [kind.since for kind in family("zswap")]
    assert begun == sorted(begun)
    assert kernels(find_policy("zswap.next")) == kernels(find_policy("order.lru")) == ""


def test_the_commands_say_which_version_it_was() -> None:
    done = run("replay", "redis-frontswap", "-p", "zswap", "--storms", "0")
    assert done.returncode == 0
    assert "zswap is zswap.v5_6, which Linux 6.1.0-56-amd64 runs" in done.stderr
    assert "\nzswap.v5_6" in done.stdout
    assert "6.12 to 6.14" in run("policies", "show", "zswap").stdout
