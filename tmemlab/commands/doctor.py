"""tmemlab doctor."""

import click

from ..printing import say
from .common import json_option, publish
from .groups import CONTEXT


@click.command("doctor", context_settings=CONTEXT)
@json_option
def command(json_file: str | None) -> int:
    """Report what this host can record, what is missing, and the command that fixes it.

    Exit code 0 when it can record, 3 when a privilege is missing, 4 when the kernel or bcc cannot do it.
    """
    from ..collect.doctor import REQUIRED, document, examine, verdict

    findings = examine()
    code, sentence = verdict(findings)

    def show() -> None:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            mark = "ok" if finding.ok else "MISSING" if finding.weight == REQUIRED else "-"
            say(f"{mark:8}{finding.name:{width}}  {finding.detail}")
            if finding.fix:
                say(f"{'':8}{'':{width}}  fix: {finding.fix}")
        say(sentence)

    publish(document(findings), json_file, show)
    return code
