"""Where a registry is asked: mirrors, plain HTTP, the default registry's own host."""

from __future__ import annotations

import pytest

from envctl.oci.docker_config import Login
from envctl.oci.registries import Endpoint, RegistryTable, endpoints, is_loopback, read_registries


def test_without_a_configuration_a_registry_is_asked_by_https():
    assert endpoints("registry.example", {}) == (Endpoint("registry.example", "https://registry.example/v2/"),)


def test_the_default_registry_answers_at_a_host_of_its_own():
    (found,) = endpoints("docker.io", {})
    assert found.name == "docker.io"
    assert found.root.endswith(".docker.io/v2/")


def test_mirrors_come_first_in_their_order_each_with_its_own_scheme():
    tables = {
        "docker.io": RegistryTable(mirrors=("m.example", "proxy.example:8443/hub/", "localhost:5000")),
        "m.example": RegistryTable(insecure=True),
    }
    assert endpoints("docker.io", tables)[:3] == (
        Endpoint("m.example", "http://m.example/v2/", mirror=True),
        Endpoint("proxy.example:8443", "https://proxy.example:8443/v2/hub/", mirror=True),
        Endpoint("localhost:5000", "http://localhost:5000/v2/", mirror=True),
    )


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("localhost:5000", True),
        ("127.0.0.1", True),
        ("127.8.9.1:5000", True),
        ("[::1]:5000", True),
        ("::1", True),
        ("128.0.0.1", False),
        ("localhost.example", False),
        ("127.0.0.1.example:5000", False),
        ("[::2]", False),
        ("0.0.0.0", False),
    ],
)
def test_loopback_is_told_by_address(host, local):
    assert is_loopback(host) is local


def test_the_configuration_is_found_as_the_base_directories_say(tmp_path):
    for folder in ("config", "home/.config"):
        (tmp_path / folder / "envctl").mkdir(parents=True)
        text = f'[registries."a.example"]\nmirrors = ["{folder.partition("/")[0]}.example"]\n'
        (tmp_path / folder / "envctl" / "config.toml").write_text(text, "utf-8")
    home = {"HOME": str(tmp_path / "home")}
    assert read_registries({**home, "XDG_CONFIG_HOME": str(tmp_path / "config")})["a.example"].mirrors == (
        "config.example",
    )
    for unset in ({}, {"XDG_CONFIG_HOME": ""}, {"XDG_CONFIG_HOME": "relative"}):
        assert read_registries({**home, **unset})["a.example"].mirrors == ("home.example",)
    assert read_registries({}) == {}


def test_a_login_does_not_show_itself():
    login = Login(username="alice", password="s3cret", identity_token="t0ken")
    for text in (repr(login), str(login), f"{login}"):
        assert "alice" not in text
        assert "s3cret" not in text
        assert "t0ken" not in text
