"""Every number that a command takes: what is none, or out of range, is a usage error that names the option."""

from collections.abc import Iterator

import click
import pytest

from tmemlab.cli import cli
from tmemlab.commands.numbers import LARGEST, Count, Duration, Number, Share, Size
from tmemlab.errors import InvalidInputError
from tmemlab.replay.sweep import expand_pools

NEVER = ("nan", "inf", "-inf", "1e999", "-1", "x", "", "1" + "0" * 400, "0x10", "1,5", "--5")


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(found, click.Group):
            yield from commands(found, (*path, name))
        else:
            yield (*path, name), found


OPTIONS = [
    pytest.param(command, option, id=f"{' '.join(path)} {option.opts[0]}")
    for path, command in commands(cli)
    for option in command.params
    if isinstance(option.type, Number)
]


def test_every_numeric_option_has_a_type_of_ours() -> None:
    plain = [
        f"{' '.join(path)} {option.opts[0]}"
        for path, command in commands(cli)
        for option in command.params
        if isinstance(option.type, click.types.IntParamType | click.types.FloatParamType)
    ]
    assert plain == []
    assert len(OPTIONS) >= 30


@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_what_is_no_number_is_refused(command: click.Command, option: click.Parameter) -> None:
    context = click.Context(command)
    for text in NEVER:
        with pytest.raises(click.BadParameter) as refused:
            option.type_cast_value(context, text if not option.multiple else [text])
        assert refused.value.exit_code == 2
        message = refused.value.format_message()
        assert option.opts[0] in message
        assert "\n" not in message
        assert len(message) < 250  # 400 digits are not read back


@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_the_bounds_are_what_help_says(command: click.Command, option: click.Parameter) -> None:
    kind, context = option.type, click.Context(command)
    assert isinstance(kind, Number)
    for inside in (kind.high,) if kind.above else (kind.low, kind.high):
        if inside < LARGEST and not isinstance(kind, Size):
            text = str(inside) if isinstance(kind, Count) else f"{inside:.20f}"
            if isinstance(kind, Duration):
                text = f"{round(inside * 1e9)}ns"
            found = option.type_cast_value(context, [text] if option.multiple else text)
            assert found == pytest.approx((inside,) if option.multiple else inside, rel=1e-9)
    if kind.above:
        with pytest.raises(click.BadParameter):
            option.type_cast_value(context, ["0"] if option.multiple else "0")


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Size(), "512M", 512 << 20), (Size(), "1.5GiB", 3 << 29),
        (Duration(), "250ms", 0.25), (Duration(), "2h", 7200),
        (Share(), "20%", 0.2), (Share(), "1/64", 1 / 64), (Count(), "12", 12), (Number(), "1e3", 1000.0),
    ],
)  # fmt: skip
def test_what_is_a_number_is_taken(kind: Number, text: str, value: float) -> None:
    assert kind.convert(text, None, None) == value


@pytest.mark.parametrize("pool", ["nan", "-1", "1e999", "1" + "0" * 400, "5%..nan%/5", "1..2/0"])
def test_a_pool_that_is_no_size_is_refused(pool: str) -> None:
    from tmemlab.policies.catalogue import parse_policy

    with pytest.raises(InvalidInputError):
        expand_pools([parse_policy("zswap.v6_18")], pool, 1 << 30)
