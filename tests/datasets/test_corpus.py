"""Inputs that once found something (tools/fuzz_datasets.py), again and again."""

import importlib.util
from pathlib import Path

import pytest

from tmemlab.errors import TmemlabError

ROOT = Path(__file__).parents[2]
CORPUS = sorted((ROOT / "tests/datasets/corpus").glob("*-*"))


@pytest.fixture(scope="module")
def fuzz(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("fuzz_datasets", ROOT / "tools/fuzz_datasets.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, module.targets(tmp_path_factory.mktemp("targets"), kept=False)


def test_the_inputs_of_the_corpus(fuzz, tmp_path):
    for path in CORPUS:
        _, run = fuzz[1][path.name.rpartition("-")[0]]
        (tmp_path / path.name).mkdir()
        try:
            run(path.read_bytes(), tmp_path / path.name)
        except TmemlabError as error:
            assert "\n" not in str(error), path.name


def test_every_target_takes_its_own_seeds_and_a_few_mutants(fuzz, tmp_path):
    """The fuzzer itself works: undamaged seeds pass, mutants are refused or pass."""
    import random

    module, targets = fuzz
    rng, refused = random.Random(1), 0
    for name, (seeds, run) in targets.items():
        for i, seed in enumerate(seeds):
            place = tmp_path / f"{name}-{i}"
            place.mkdir()
            if not (name == "import-perf" and b"page_fault" not in seed):
                run(seed, place)
        for i in range(8):
            place = tmp_path / f"{name}-mutant-{i}"
            place.mkdir()
            try:
                run(module.mutate(rng.choice(seeds), rng, seeds[0]), place)
            except TmemlabError:
                refused += 1
    assert refused > len(targets)
