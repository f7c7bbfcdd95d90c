"""The picture has what the ranking has, at the places that the numbers say."""

from dataclasses import replace
from xml.etree import ElementTree

from tests.replay.rank.test_rank import ranked
from tmemlab.replay.rank.chart import svg

SVG = "{http://www.w3.org/2000/svg}"


def test_every_policy_has_a_dot_at_its_rank() -> None:
    result = ranked(("bounds.none", "vm.need", "zswap.v6_18"), storms=0)
    odd = replace(result, entrants=[replace(result.entrants[0], label="a<b&c"), *result.entrants[1:]])
    root = ElementTree.fromstring(svg(odd, {"a<b&c"}))
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert texts[-3:] == ["a<b&c", *(entrant.label for entrant in result.entrants[1:])]
    dots = [float(dot.attrib["cx"]) for dot in root.iter(f"{SVG}circle")]
    ranks = [entrant.standing.rank.mean or 0 for entrant in result.entrants]
    scales = [(b - a) / (later - earlier) for a, b, earlier, later in
              zip(dots, dots[1:], ranks, ranks[1:], strict=False) if later > earlier]  # fmt: skip
    assert len(dots) == 3
    assert len(scales) >= 1
    assert max(scales) - min(scales) < 1  # a straight axis
    colours = [dot.attrib["fill"] for dot in root.iter(f"{SVG}circle")]
    assert colours[0] != colours[1] == colours[2]
