"""The ring's record as a C compiler lays it out, against what NumPy reads."""

import subprocess
from pathlib import Path

import numpy as np

from tmemlab.collect.kernel.bpfcc import PROGRAMS, program_text
from tmemlab.collect.records import NAMES, RECORD, TASK_STATE, Kind, RecordFlag, declarations
from tmemlab.datasets.trace.schema import Where

TYPES = """#include <stdio.h>
#include <stddef.h>
#include <stdint.h>
typedef uint64_t u64; typedef uint32_t u32; typedef uint16_t u16; typedef uint8_t u8;
"""


def printed(tmp_path: Path, declared: str, body: list[str]) -> dict[str, int]:
    """What a C program with these declarations prints, as name and number."""
    source = tmp_path / "layout.c"
    source.write_text(f"{TYPES}{declared}\nint main(void) {{ {' '.join(body)} return 0; }}\n")
    subprocess.run(["gcc", "-o", tmp_path / "layout", source], check=True)
    text = subprocess.run([tmp_path / "layout"], capture_output=True, text=True, check=True).stdout
    return {name: int(number) for name, number in (line.split() for line in text.splitlines())}


def members(dtype: np.dtype, structure: str) -> list[str]:
    names = dtype.names or ()
    return [
        *(f'printf("{name} %zu\\n", offsetof(struct {structure}, {name}));' for name in names),
        *(f'printf("{name}.size %zu\\n", sizeof(((struct {structure} *)0)->{name}));' for name in names),
        f'printf("itemsize %zu\\n", sizeof(struct {structure}));',
    ]


def as_numpy_has_it(dtype: np.dtype) -> dict[str, int]:
    fields = dtype.fields or {}
    offsets = {name: int(field[1]) for name, field in fields.items()}
    sizes = {f"{name}.size": field[0].itemsize for name, field in fields.items()}
    return {**offsets, **sizes, "itemsize": dtype.itemsize}


def test_the_record_is_laid_out_alike(tmp_path: Path) -> None:
    assert printed(tmp_path, declarations(), members(RECORD, "record")) == as_numpy_has_it(RECORD)


def test_the_tasks_state_is_laid_out_alike(tmp_path: Path) -> None:
    text = (PROGRAMS / "tracepoint.c").read_text()
    start = text.index("struct task_state {")
    declared = text[start : text.index("};", start) + 2]
    assert printed(tmp_path, declared, members(TASK_STATE, "task_state")) == as_numpy_has_it(TASK_STATE)


def test_every_code_has_its_number(tmp_path: Path) -> None:
    codes = {
        **{f"KIND_{kind.name}": kind.value for kind in Kind},
        **{f"WHERE_{where.name}": where.value for where in Where},
        **{f"FLAG_{flag.name}": flag.value for flag in RecordFlag},
        **{f"NAME_{name.upper()}": at for at, name in enumerate(NAMES)},
    }
    body = [f'printf("{code} %d\\n", {code});' for code in codes]
    assert printed(tmp_path, declarations(), body) == codes


def test_the_programs_declare_nothing_of_it_themselves() -> None:
    for program in ("tracepoint.c", "functions.c"):
        text = program_text("common.h", program)
        assert text.count("struct record {") == 1
        assert text.count("KIND_STORE =") == 1
    written = "".join(path.read_text() for path in PROGRAMS.iterdir())
    assert "struct record {" not in written
