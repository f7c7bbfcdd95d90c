"""Write down what is bundled: the catalogue, and a card and a Croissant description of each trace.

    .venv/bin/python tools/make_catalogue.py

Run it after a bundled trace changed; tests/datasets/test_catalogue.py fails until then.
"""

import json
from pathlib import Path

from tmemlab.datasets.describe.card import card, croissant
from tmemlab.datasets.share.bundled import bundled
from tmemlab.datasets.share.catalogue import CATALOGUE, bundled_catalogue, read_catalogue
from tmemlab.datasets.trace.read import Trace

DOCS = Path(__file__).parents[1] / "docs/datasets"


def main() -> None:
    version = read_catalogue().version if CATALOGUE.exists() else 0
    if not CATALOGUE.exists() or CATALOGUE.read_text() != bundled_catalogue(version).to_json():
        CATALOGUE.write_text(bundled_catalogue(version + 1).to_json())
    DOCS.mkdir(parents=True, exist_ok=True)
    for name, path in bundled().items():
        trace = Trace.open(path)
        (DOCS / f"{name}.md").write_text(card(trace, name))
        (DOCS / f"{name}.croissant.json").write_text(json.dumps(croissant(trace, name), indent=2) + "\n")
    print(f"{len(bundled())} traces")


if __name__ == "__main__":
    main()
