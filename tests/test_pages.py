"""The pages that are made from declarations say what the declarations say."""

from pathlib import Path

import pytest

from tools.make_pages import pages


@pytest.mark.parametrize("path", list(pages()), ids=lambda path: path.name)
def test_a_page_is_what_its_declarations_make(path: Path) -> None:
    assert path.read_text() == pages()[path], "run: python -m tools.make_pages"
