"""A second look at pages in which uv found no version: it takes any HTML, a login form too, for a page of no files."""

from __future__ import annotations

from collections.abc import Mapping

from envctl.errors import IndexFailed
from envctl.model.simple_api import ACCEPT, parse_project_page
from envctl.resolve.hints import Asked, without_versions
from envctl.resolve.stderr import Told
from envctl.system.credentials import Secret, redact
from envctl.system.http import Client


def check_pages(
    told: Told, asked: Asked, *, index: str, credentials: Secret | None, environ: Mapping[str, str]
) -> None:
    """IndexFailed when the default index answers something else than a project page for what uv found no version of."""
    names = [name for name in without_versions(told) if asked.owner(name) is None]
    if not names or told.hints or told.warnings or asked.question.offline:
        return
    known = {} if credentials is None else {index: credentials}
    with Client(credentials=known, environ=environ) as client:
        for name in names:
            page = client.get(f"{index.rstrip('/')}/{name}/", accept=ACCEPT, expect=(200, 404))
            try:
                if page.status == 200:
                    parse_project_page(page.body, page.content_type, page.url)
            except ValueError as error:
                raise IndexFailed(
                    f"what the index answers is no project page ({asked.question.label})",
                    file=redact(page.url),
                    found=str(error),
                    hint="a proxy or a login may stand between: open the address in a browser",
                ) from error
