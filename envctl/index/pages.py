"""Project pages of an index, fetched and read."""

from __future__ import annotations

from envctl.errors import IndexFailed
from envctl.model.names import normalise
from envctl.model.simple_api import ACCEPT, SimpleFile, parse_project_page
from envctl.system.credentials import redact
from envctl.system.http import Client


def project_page(client: Client, index: str, name: str) -> tuple[SimpleFile, ...] | None:
    """The files that an index offers of a distribution, None where it does not know it.

    Args:
        index: URL of the simple index, with or without a slash at its end, with or without credentials.
        name: of the distribution, normalised or not.

    Raises:
        IndexFailed: it could not be reached, refused, or answered what is no project page.
    """
    url = f"{index.rstrip('/')}/{normalise(name)}/"
    answer = client.get(url, accept=ACCEPT, expect=(200, 404, 410))
    if answer.status != 200:
        return None
    try:
        return parse_project_page(answer.body, answer.content_type, answer.url)
    except ValueError as error:
        raise IndexFailed(
            "the index's answer is no project page",
            file=redact(answer.url),
            found=str(error),
            expected="a page of the simple API, HTML (PEP 503) or JSON (PEP 691)",
            hint="check the index's URL: it mostly ends in /simple",
        ) from error
