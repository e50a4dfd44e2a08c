"""The router's addresses: there and back."""

from __future__ import annotations

from urllib.parse import urlsplit

from hypothesis import given
from hypothesis import strategies as st

from envctl.model.profile import Index
from envctl.model.resolution import Candidate
from envctl.model.simple_api import SimpleFile
from envctl.resolve.addresses import Addresses, Metadata, Page
from envctl.resolve.binding import Bindings

ONE = Index(name="one", url="https://user:s3cret@one.example/simple/", packages=("acme-*",), exclude_newer=False)
TWO = Index(name="two", url="https://two.example/whl", packages=("torch",))
ADDRESSES = Addresses(Bindings.of([ONE, TWO]))
URLS = st.builds(
    lambda host, path, query: f"https://{host}.example/{path}{query}",
    st.from_regex(r"[a-z]{1,8}", fullmatch=True),
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="#"), max_size=30),
    st.sampled_from(["", "?token=a%2Fb"]),
)


def path(url: str) -> str:
    return urlsplit(url).path


@given(URLS, st.sampled_from(["torch-2.9.0+cpu-cp311-none-any.whl", "torch-1-py3-none-any.whl"]), st.booleans())
def test_a_file_is_found_again_from_its_address_alone(url: str, filename: str, beside: bool) -> None:
    for sha256 in (None, "ab" * 32):
        file = SimpleFile(filename=filename, url=url, sha256=sha256, core_metadata=beside)
        offered = ADDRESSES.offered(TWO, file)
        assert offered.core_metadata
        assert offered.sha256 is not None
        assert ADDRESSES.real(offered.url) == (url, TWO)
        wheel = Candidate(filename=filename, url=offered.url, sha256=offered.sha256)
        assert ADDRESSES.found(wheel) == (Candidate(filename=filename, url=url, sha256=sha256), TWO)
        asked = ADDRESSES.request(path(f"{offered.url}.metadata"))
        assert asked == Metadata(TWO, url, filename, beside=beside, hashed=sha256 is not None)


def test_only_a_bound_package_has_a_page_and_only_at_its_own_index() -> None:
    def request(part: str) -> object:
        return ADDRESSES.request(path(f"{ADDRESSES.root}/{part}"))

    assert request("0/simple/Acme_Core/") == Page(ONE, "acme-core")
    assert request("1/simple/torch/") == Page(TWO, "torch")
    for part in (
        "0/simple/torch/",
        "1/simple/acme-core/",
        "2/simple/torch/",
        "x/simple/torch/",
        "1/simple/",
        "1/simple/torch/x/",
        "1/other/torch/",
        "1/file/-/bm90LWEtdXJs/x.whl.metadata",
        "1/file/-/!!!/x.whl.metadata",
        "1/file/-/aHR0cHM6Ly94LmV4YW1wbGU/x.whl",
        "",
    ):
        assert request(part) is None
    assert ADDRESSES.request("/0123456789abcdef/1/simple/torch/") is None


def test_addresses_are_shown_as_their_indexes_and_others_are_none_of_ours() -> None:
    assert ADDRESSES.real(f"{ADDRESSES.root}/0/simple/acme-core/") == ("https://one.example/simple/acme-core/", ONE)
    assert ADDRESSES.real(f"{ADDRESSES.root}/0/simple") == ("https://one.example/simple", ONE)
    assert ADDRESSES.real(f"{ADDRESSES.root}/7/simple") is None
    assert ADDRESSES.real("https://two.example/whl/torch/") is None
    assert ADDRESSES.real("http://127.0.0.1:1/x") is None


def test_the_same_bindings_have_the_same_addresses_and_others_have_others() -> None:
    again = Addresses(Bindings.of([ONE, TWO]))
    assert again.root == ADDRESSES.root
    assert Addresses(Bindings.of([TWO, ONE])).digest != ADDRESSES.digest
    other = Index(name="two", url=TWO.url, packages=("torch", "torchvision"))
    assert Addresses(Bindings.of([ONE, other])).digest != ADDRESSES.digest
    secret = Index(name="one", url="https://one.example/simple/", packages=("acme-*",))
    assert Addresses(Bindings.of([secret, TWO])).digest == ADDRESSES.digest
    assert all(0 <= port < 65536 for port in ADDRESSES.ports())


def test_uv_is_told_no_credentials_but_the_sessions() -> None:
    one, two = ADDRESSES.sources(("session", "password"))
    assert (one.credentials, two.credentials) == (("session", "password"), ("session", "password"))
    assert (one.cutoff, two.cutoff) == (False, True)
    assert one.local
    assert "s3cret" not in repr((one, two))
