"""``tmemlab datasets verify``."""

from pathlib import Path

from ...printing import say
from ..common import json_option, publish
from ._shared import TRACE, dataset_command, event_bar


@dataset_command("verify")
@TRACE
@json_option
def command(trace: Path, json_file: str | None) -> int:
    """Check every checksum and every rule of the format; exit code 5 when TRACE breaks one."""
    from ...datasets.trace.verify import verify
    from ...errors import TraceError

    problems = verify(trace, event_bar("verifying"))
    document = {"schema": "tmemlab.verify/1", "path": str(trace), "ok": not problems, "problems": problems}

    def show() -> None:
        for problem in problems:
            say(f"tmemlab: {problem}", err=True)
        if not problems:
            say(f"{trace} is sound")

    publish(document, json_file, show)
    return TraceError.exit_code if problems else 0
