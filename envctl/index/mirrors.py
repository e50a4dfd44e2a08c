"""The index that this machine is configured to use, where it is another than the resolver's own default."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from envctl.errors import UsageError
from envctl.system.credentials import Secret, index_credentials, redact, split_credentials

# In this order: envctl's own, then those of the tools that people have configured already.
VARIABLES = ("ENVCTL_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
_NAMED = re.compile(r"[A-Za-z0-9_.-]+=(?=[a-z]+://)")


def configured(environ: Mapping[str, str] | None = None) -> str | None:
    """The default index of the environment, with its credentials where the URL holds some; None without one.

    Only web addresses count: further indexes, folders of links and `file:` indexes say what one machine has at hand,
    and would make a lockfile depend on it.

    Raises:
        UsageError: ENVCTL_INDEX_URL is no web address.
    """
    environ = os.environ if environ is None else environ
    for variable in VARIABLES:
        said = _NAMED.sub("", environ.get(variable, "").strip(), count=1)
        if re.match(r"https?://[^/\s]", said):
            return said.rstrip("/")
        if said and variable == VARIABLES[0]:
            raise UsageError(
                f"{variable} is no web address", found=redact(said), expected="https://index.example/simple"
            )
    return None


def credentials(indexes: Mapping[str, str], environ: Mapping[str, str] | None = None) -> dict[str, Secret]:
    """URL -> user and password: those of the named indexes (name -> URL), and those in the mirror's own address."""
    environ = os.environ if environ is None else environ
    plain, secret = split_credentials(configured(environ) or "")
    return {**({plain: secret} if secret else {}), **index_credentials(indexes, environ)}
