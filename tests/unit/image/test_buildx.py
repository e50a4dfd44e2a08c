"""The words for the builder, and what its failures say."""

from __future__ import annotations

from pathlib import Path

import pytest

from envctl.image.buildx import arguments
from envctl.image.failures import failure
from envctl.image.interface import BuildRequest, Secrets

FAILED = """\
#1 [internal] load build definition from Dockerfile.x
#1 DONE 0.0s

#11 [packages 3/3] RUN something   && long
#11 0.104 Using Python 3.11.2 environment at: /opt/venv
#11 0.219 error: Failed to fetch: `https://index.example/a.whl`
#11 0.219   Caused by: {cause}
#11 ERROR: process "/bin/sh -c something" did not complete successfully: exit code: 1
------
 > [packages 3/3] RUN something   && long:
0.104 Using Python 3.11.2 environment at: /opt/venv
0.219 error: Failed to fetch: `https://index.example/a.whl`
0.219   Caused by: {cause}
------
Dockerfile.x:120
--------------------
 119 |     COPY a b
 120 | >>> RUN something \\
--------------------
ERROR: failed to solve: process "/bin/sh -c something" did not complete successfully: exit code: 1
"""


def test_secrets_are_named_and_never_said() -> None:
    request = BuildRequest(
        context=Path("/project"),
        dockerfile="D",
        platform="linux/amd64",
        tags=("a", "b:1"),
        epoch=7,
        secrets=Secrets(texts={"netrc": "machine a login b password hush"}, files={"ca": Path("/a,b/ca.pem")}),
        proxies=("HTTP_PROXY",),
        contexts={"wheels": "/house/wheels"},
        network="none",
        no_cache=True,
    )
    words = arguments(request)
    assert "hush" not in " ".join(words)
    assert words[words.index("--secret") + 1] == "id=netrc,env=BUILD_SECRET_NETRC"
    assert '"id=ca","src=/a,b/ca.pem"' in words
    assert words[words.index("HTTP_PROXY") - 1] == "--build-arg"
    assert "wheels=/house/wheels" in words
    assert {"--network=none", "--no-cache", "--load", "SOURCE_DATE_EPOCH=7"} <= set(words)


def test_an_output_of_its_own_is_not_loaded_into_the_engine() -> None:
    request = BuildRequest(
        context=Path("/p"), dockerfile="D", platform="linux/amd64", tags=(), epoch=1, output="type=oci,dest=x"
    )
    words = arguments(request)
    assert words[words.index("--output") + 1] == "type=oci,dest=x"
    assert "--load" not in words


@pytest.mark.parametrize(
    ("cause", "hint"),
    [
        ("dns error: failed to lookup address", "--network=host"),
        ("tcp connect error: Network is unreachable", "--network=host"),
        ("invalid peer certificate: UnknownIssuer", "SSL_CERT_FILE"),
        ("HTTP status client error (401 Unauthorized)", "netrc"),
        ("No space left on device (os error 28)", "docker builder prune"),
        ("exec /bin/sh: exec format error", "binfmt"),
        ("this is Python 3.11.2, the lockfile says 3.11.9", "`image.base`"),
        ("model.bin is not what was locked", "envctl lock"),
    ],
)
def test_failure_names_the_step_its_last_lines_and_what_helps(cause: str, hint: str) -> None:
    error = failure(FAILED.format(cause=cause).splitlines())
    assert "the step [packages 3/3] failed" in error.what
    assert error.details[-1] == f"  Caused by: {cause}"
    assert not any("Dockerfile" in line or line.startswith("0.") for line in error.details)
    assert hint in str(error.hint)


def test_failure_without_a_log_gives_the_reason() -> None:
    said = "#2 [archive 1/1] ADD x y\n#2 ERROR: digest mismatch\n------\n > [archive 1/1] ADD x y:\n------\n"
    error = failure([*said.splitlines(), "ERROR: failed to solve: digest mismatch sha256:1: sha256:2"])
    assert error.details == ("digest mismatch sha256:1: sha256:2",)
    assert "[archive 1/1]" in error.what


def test_failure_before_any_step_gives_what_was_said() -> None:
    assert failure(["unknown flag: --no-such"]).details == ("unknown flag: --no-such",)
    assert failure([]).what == "the image could not be built"


def test_long_failures_are_cut_to_their_end() -> None:
    lines = ["------", " > [a 1/1] RUN x:", *(f"0.1 line {n}" for n in range(100)), "------", "ERROR: x"]
    assert failure(lines).details == tuple(f"line {n}" for n in range(88, 100))
