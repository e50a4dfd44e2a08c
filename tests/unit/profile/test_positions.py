from __future__ import annotations

import tomli
from hypothesis import given
from hypothesis import strategies as st

from envctl.profile.positions import parts, positions, spell

TEXT = '''# a comment
title = "x" # = [ { not a value
owner.name = 'y'
"quoted key"."with.dot" = [ # opens
  1,
  "a ] # not the end", # c
  { z = 1, list = [true,
    false] },
]
long = """
"] = not a key ""quotes"" \\""" still
last = 1"""  # the key of this line is inside the string
raw = \'\'\'
[not.a.table]
\'\'\'
when = 1979-05-27 07:32:00
[table.below] # c
key = 1
[[array]]
k = 1
[[array]]
k = 2
  [array.inner]
  d = -1.5e3
[[array.inner.deep]]
x = 0
[variants.cuda]
image.base = "b"
image.env = { A = "1", "B C" = "2" }
'''


def test_every_key_table_and_entry_has_its_line() -> None:
    found = positions(TEXT)
    assert found == {
        "title": 2,
        "owner": 3,
        "owner.name": 3,
        '"quoted key"': 4,
        '"quoted key"."with.dot"': 4,
        '"quoted key"."with.dot"[0]': 5,
        '"quoted key"."with.dot"[1]': 6,
        '"quoted key"."with.dot"[2]': 7,
        '"quoted key"."with.dot"[2].z': 7,
        '"quoted key"."with.dot"[2].list': 7,
        '"quoted key"."with.dot"[2].list[0]': 7,
        '"quoted key"."with.dot"[2].list[1]': 8,
        "long": 10,
        "raw": 13,
        "when": 16,
        "table": 17,
        "table.below": 17,
        "table.below.key": 18,
        "array": 19,
        "array[0]": 19,
        "array[0].k": 20,
        "array[1]": 21,
        "array[1].k": 22,
        "array[1].inner": 23,
        "array[1].inner.d": 24,
        "array[1].inner.deep": 25,
        "array[1].inner.deep[0]": 25,
        "array[1].inner.deep[0].x": 26,
        "variants": 27,
        "variants.cuda": 27,
        "variants.cuda.image": 28,
        "variants.cuda.image.base": 28,
        "variants.cuda.image.env": 29,
        "variants.cuda.image.env.A": 29,
        'variants.cuda.image.env."B C"': 29,
    }


def test_windows_line_ends_count_once() -> None:
    assert positions("a = 1\r\n\r\nb = [\r\n 2]\r\n") == {"a": 1, "b": 3, "b[0]": 4}


def _paths(value: object, path: tuple[str | int, ...] = ()) -> set[str]:
    found = {spell(path)} if path else set()
    if isinstance(value, dict):
        for key, item in value.items():
            found |= _paths(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found |= _paths(item, (*path, index))
    return found


KEYS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=6)
SCALARS = st.one_of(st.integers(-5, 5), st.booleans(), st.floats(allow_nan=False, allow_infinity=False), KEYS)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=12
)


@given(st.dictionaries(KEYS, VALUES, max_size=5), st.booleans())
def test_positions_name_exactly_the_keys_that_a_parser_finds(data: dict[str, object], multiline: bool) -> None:
    import tomli_w

    text = tomli_w.dumps(data, multiline_strings=multiline)
    assert set(positions(text)) == _paths(tomli.loads(text))


def test_dotted_keys_are_read_as_toml_reads_them() -> None:
    assert parts("image.env.A") == ("image", "env", "A")
    assert parts(' image . "A B" ') == ("image", "A B")


def test_what_is_no_key_is_refused() -> None:
    for text in ("", "a b", "a = 1 #", "[a] #", "a\nb", 'a."b', "a[0]", "x = {y", "." * 3, ".".join("a" * 2000)):
        try:
            found = parts(text)
        except ValueError:
            continue
        raise AssertionError(f"{text!r} was read as {found}")
