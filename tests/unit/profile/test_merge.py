from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envctl.errors import InvalidFile
from envctl.profile.merge import Layer, Node, layer, merge
from envctl.profile.source import Source

EMPTY = Node({}, "nowhere")


def part(data: dict[str, Any]) -> Layer:
    return layer(data, (), Source("x.toml", data, {}))


def merged(*parts: dict[str, Any]) -> Any:
    root = EMPTY
    for data in parts:
        root = merge(root, part(data))
    return root.plain()


def test_tables_merge_scalars_replace_lists_add() -> None:
    base = {"python": "3.10", "dependencies": ["a", "b"], "image": {"base": "x", "env": {"A": "1", "B": "1"}}}
    over = {"python": "3.11", "dependencies": ["b", "c"], "image": {"env": {"B": "2"}, "ports": [80]}}
    assert merged(base, over) == {
        "python": "3.11",
        "dependencies": ["a", "b", "c"],
        "image": {"base": "x", "env": {"A": "1", "B": "2"}, "ports": [80]},
    }


def test_argument_vectors_are_one_value() -> None:
    base = {"image": {"command": ["python", "-m", "a"]}, "commands": {"train": ["a", "b"], "serve": ["s"]}}
    over = {"image": {"command": ["python"]}, "commands": {"train": ["!c"]}}
    assert merged(base, over) == {"image": {"command": ["python"]}, "commands": {"train": ["!c"], "serve": ["s"]}}


def test_two_requirements_of_one_distribution_both_hold() -> None:
    assert merged({"dependencies": ["numpy>=2"]}, {"dependencies": ["numpy<3"]}) == {
        "dependencies": ["numpy>=2", "numpy<3"]
    }


def test_an_exclamation_mark_removes_every_inherited_entry_of_a_distribution() -> None:
    base = {"dependencies": ["Torch_Vision>=1", "numpy", "torch.vision[x]; sys_platform == 'linux'"]}
    assert merged(base, {"dependencies": ["!torch-vision", "torch-vision==2"]}) == {
        "dependencies": ["numpy", "torch-vision==2"]
    }


def test_an_exclamation_mark_removes_the_equal_entry_of_other_lists() -> None:
    base = {"platforms": ["linux/amd64", "linux/arm64"], "resolver": {"exclude": ["Foo.Bar"]}}
    over = {"platforms": ["!linux/amd64"], "resolver": {"exclude": ["!foo-bar"]}}
    assert merged(base, over) == {"platforms": ["linux/arm64"], "resolver": {"exclude": []}}


def test_an_index_of_an_inherited_name_replaces_it_in_its_place() -> None:
    base = {"resolver": {"index": [{"name": "a", "url": "1", "packages": ["x"]}, {"name": "b", "url": "2"}]}}
    over = {"resolver": {"index": [{"name": "c", "url": "3"}, {"name": "a", "url": "4"}]}}
    assert merged(base, over) == {
        "resolver": {"index": [{"name": "a", "url": "4"}, {"name": "b", "url": "2"}, {"name": "c", "url": "3"}]}
    }


def test_unset_takes_away_before_the_layer_is_merged() -> None:
    base = {
        "image": {"user": 1, "env": {"A": "1"}, "files": [{"source": "a", "target": "/app/m.bin"}]},
        "resolver": {"index": [{"name": "torch-cpu", "url": "u"}], "exclude-newer": "7 days"},
        "commands": {"train": ["x"]},
        "libc": "musl 1.2",
    }
    gone = [
        "image.user",
        "image.env.A",
        'image.files."/app/m.bin"',
        "resolver.index.torch-cpu",
        "resolver.exclude-newer",
        "commands",
        "libc",
    ]
    over = {"unset": gone, "image": {"env": {"B": "2"}}}
    assert merged(base, over) == {"image": {"env": {"B": "2"}, "files": []}, "resolver": {"index": []}}


@pytest.mark.parametrize(
    ("over", "hint"),
    [
        ({"unset": ["image.usr"]}, "image.user"),
        ({"unset": ["imag"]}, "image"),
        ({"unset": ["image.user.name"]}, None),
        ({"unset": ["resolver.index.torch-gpu"]}, "resolver.index.torch-cpu"),
        ({"unset": ["a b"]}, None),
        ({"unset": ["dependencies[0]"]}, None),
        ({"dependencies": ["!nunpy"]}, "numpy"),
        ({"dependencies": ["new", "!new"]}, None),
        ({"constraints": ["!numpy"]}, None),
    ],
)
def test_taking_away_what_is_not_there_is_an_error_that_names_the_nearest(
    over: dict[str, Any], hint: str | None
) -> None:
    base = {
        "dependencies": ["numpy"],
        "image": {"user": 1},
        "resolver": {"index": [{"name": "torch-cpu", "url": "u"}]},
    }
    with pytest.raises(InvalidFile) as caught:
        merged(base, over)
    assert caught.value.found is not None
    assert hint is None or hint in (caught.value.hint or "")


NAMES = st.sampled_from(["numpy", "torch>=2", "Torch", "pandas<3"])
ENTRIES = st.builds(lambda name, url: {"name": name, "url": url}, st.sampled_from("abc"), st.sampled_from("uv"))
LAYERS = st.fixed_dictionaries(
    {},
    optional={
        "python": st.sampled_from(["3.10", "3.11"]),
        "dependencies": st.lists(NAMES, max_size=3),
        "commands": st.dictionaries(st.sampled_from("xy"), st.lists(st.sampled_from("pq"), max_size=2), max_size=2),
        "image": st.fixed_dictionaries(
            {},
            optional={
                "env": st.dictionaries(st.sampled_from("AB"), st.sampled_from("12"), max_size=2),
                "command": st.lists(st.sampled_from("pq"), max_size=2),
                "user": st.integers(0, 2),
            },
        ),
        "resolver": st.fixed_dictionaries(
            {}, optional={"index": st.lists(ENTRIES, max_size=3, unique_by=lambda entry: entry["name"])}
        ),
    },
)


@given(LAYERS, LAYERS, LAYERS)
def test_layers_that_only_add_merge_in_any_grouping(a: Any, b: Any, c: Any) -> None:
    assert merged(a, b, c) == merged(a, merged(b, c))


@given(LAYERS, LAYERS)
def test_a_layer_counts_once_however_often_it_is_merged(a: Any, b: Any) -> None:
    assert merged(a, b, b) == merged(a, b)
    assert merged({}, a) == merged(a)


@given(LAYERS)
def test_what_a_layer_added_it_can_take_away_again(a: Any) -> None:
    names = {entry.split("<")[0].split(">")[0].lower() for entry in a.get("dependencies", [])}
    assert merged(a, {"dependencies": [f"!{name}" for name in sorted(names)]}).get("dependencies") == []
    assert merged(a, {"unset": list(a)}) == {}
