"""Our columns by those of a file, as a mapping or as text: ``t=time,page=addr``."""

from collections.abc import Mapping

from ...errors import InvalidInputError


def column_map(given: Mapping[str, str] | str | None) -> dict[str, str]:
    """The mapping; InvalidInputError for a text that is none."""
    if given is None or not isinstance(given, str):
        return dict(given or {})
    pairs = [pair.partition("=") for pair in given.split(",")]
    if not all(ours.strip() and theirs.strip() for ours, _, theirs in pairs):
        raise InvalidInputError(f"{given!r} is not a map: write t=time,page=addr")
    return {ours.strip(): theirs.strip() for ours, _, theirs in pairs}
