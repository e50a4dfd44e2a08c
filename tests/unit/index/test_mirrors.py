from __future__ import annotations

import pytest

from envctl.errors import UsageError
from envctl.index.mirrors import configured

URL = "https://index.example/simple"


@pytest.mark.parametrize("variable", ["ENVCTL_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"])
def test_each_tools_default_index_counts(variable: str) -> None:
    assert configured({variable: f"{URL}/"}) == URL


def test_envctls_own_setting_comes_first_and_pips_last() -> None:
    environ = {
        "PIP_INDEX_URL": "https://pip.example",
        "UV_DEFAULT_INDEX": "https://uv.example",
        "ENVCTL_INDEX_URL": URL,
    }
    assert configured(environ) == URL
    del environ["ENVCTL_INDEX_URL"]
    assert configured(environ) == "https://uv.example"


def test_a_named_index_counts_by_its_url() -> None:
    assert configured({"UV_DEFAULT_INDEX": f"company={URL}"}) == URL
    assert configured({"UV_DEFAULT_INDEX": f"{URL}?a=b"}) == f"{URL}?a=b"


@pytest.mark.parametrize("value", ["", "  ", "file:///srv/simple", "/srv/wheels", "https://", "ftp://index.example"])
def test_what_is_no_web_address_does_not_count(value: str) -> None:
    assert configured({"PIP_INDEX_URL": value, "UV_INDEX_URL": value}) is None


def test_further_indexes_and_folders_never_count() -> None:
    assert (
        configured({"PIP_EXTRA_INDEX_URL": URL, "PIP_FIND_LINKS": URL, "UV_INDEX": URL, "UV_FIND_LINKS": URL}) is None
    )


def test_envctls_own_setting_must_be_right() -> None:
    with pytest.raises(UsageError) as caught:
        configured({"ENVCTL_INDEX_URL": "file://user:secret@host/simple"})
    assert "secret" not in str(caught.value)
