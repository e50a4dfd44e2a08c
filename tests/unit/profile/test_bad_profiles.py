from __future__ import annotations

import os

import pytest

SHA = "8fb099199b9f2d70342674bd9dbccd3ed03a258f26bbd1d556822c6dfc60c317"

# ruff: noqa: E501  # one case a line
# text after `python = "3.11"`, the key that is blamed, the line, and a part of the message
BAD = [
    # keys and types
    ("pyton = 1", "pyton", 2, "did you mean python?"),
    ("exclude_newer = 'x'", "exclude_newer", 2, "exclude-newer belongs in [resolver]"),
    ("[resolver]\nexclude_newer = 'x'", "resolver.exclude_newer", 3, "did you mean exclude-newer?"),
    ("[resolver]\ndependencies = []", "resolver.dependencies", 3, "belongs at the top"),
    ("base = 'x'", "base", 2, "belongs in [image]"),
    ("[variants.cpu]\nextends = ['x']", "variants.cpu.extends", 3, "not a key"),
    ("[variants.cpu.image]\nusr = 1", "variants.cpu.image.usr", 3, "did you mean user?"),
    ("[[resolver.index]]\nname = 'x'\nuri = 'y'", "resolver.index[0].uri", 4, "did you mean url?"),
    ("dependencies = 'numpy'", "dependencies", 2, "is not a list of strings"),
    ("dependencies = [\n'a',\n3]", "dependencies[1]", 4, "is not a string"),
    ("libc = 2.28", "libc", 2, "write it in quotes"),
    ("resolver = 1", "resolver", 2, "is not a table"),
    ("variants = 1", "variants", 2, "not a table"),
    ("variants.cpu = 1", "variants.cpu", 2, "not a table"),
    ("resolver.exclude-newer = 2026-11-01", "resolver.exclude-newer", 2, "write it in quotes"),
    ("image.ports = [true]", "image.ports[0]", 2, "whole number from 1 to 65535"),
    ("image.ports = [0]", "image.ports[0]", 2, "whole number from 1 to 65535"),
    ("image.ports = [65536]", "image.ports[0]", 2, "whole number from 1 to 65535"),
    ("image.user = 4294967295", "image.user", 2, "from 0 to 4294967294"),
    ("image.user = true", "image.user", 2, "from 0 to 4294967294"),
    ("policy.allow-seed = 'yes'", "policy.allow-seed", 2, "true or false"),
    ("project.editable = 1", "project.editable", 2, "true or false"),
    ("[[resolver.index]]\nname = 'x'", "resolver.index[0]", 2, "has no url"),
    ("resolver.index = ['!x']", "resolver.index[0]", 2, "is not a table"),
    ("image = {}", "image.base", 2, "has no image.base"),
    ("project = {}", "project.path", 2, "has no project.path"),
    # names
    ("extends = ['../x']", "extends[0]", 2, "is not a name"),
    ("[variants.Cpu]", "variants.Cpu", 2, "is not a name"),
    ("commands.'a b' = ['x']", 'commands."a b"', 2, "is not a name"),
    ("commands.a = []", "commands.a", 2, "is no command"),
    ("image.command = ['']", "image.command", 2, "is no command"),
    ("[[resolver.index]]\nname = 'X'\nurl = 'https://index.example'", "resolver.index[0].name", 3, "is not a name"),
    # platforms and libc
    ("platforms = ['linux/x86_64']", "platforms[0]", 2, "linux/amd64, linux/arm64, darwin/amd64, darwin/arm64"),
    ("platforms = ['linux/amd64', 'linux/amd64']", "platforms", 2, "twice"),
    ("platforms = []", "platforms", 2, "no platform left"),
    ("libc = 'glibc 3'", "libc", 2, "is not a C library"),
    ("libc = 'glibc 2.999999'", "libc", 2, "is not a C library"),
    ("libc = 'glibc ٢.٢'", "libc", 2, "is not a C library"),
    ("cuda = '12'", "cuda", 2, "is not a CUDA version"),
    # requirements
    ("dependencies = ['numpy>>2']", "dependencies[0]", 2, "is not a requirement"),
    ("dependencies = ['']", "dependencies[0]", 2, "is not a requirement"),
    ("dependencies = ['torch @ https://x.example/t.whl']", "dependencies[0]", 2, "pinned to an address"),
    ("dependencies = ['file:///srv/x.whl']", "dependencies[0]", 2, "path or an address"),
    ("dependencies = ['git+https://x.example/t.git']", "dependencies[0]", 2, "path or an address"),
    ("dependencies = ['./local']", "dependencies[0]", 2, "path or an address"),
    ("dependencies = ['x.whl']", "dependencies[0]", 2, "path or an address"),
    ("dependencies = [\"a; extra == 'x'\"]", "dependencies[0]", 2, "marker on an extra"),
    ("dependencies = ['" + "(" * 3000 + "']", "dependencies[0]", 2, "is not a requirement"),
    ("dependencies = [\"a; " + "(" * 3000 + "\"]", "dependencies[0]", 2, "is not a requirement"),
    ("dependencies = ['a==" + "9" * 5000 + "']", "dependencies[0]", 2, "is not a requirement"),
    ("constraints = ['numpy[x]<3']", "constraints[0]", 2, "constraint with extras"),
    ("constraints = ['numpy @ https://x.example/t.whl']", "constraints[0]", 2, "pinned to an address"),
    ("resolver.overrides = ['a b']", "resolver.overrides[0]", 2, "is not a requirement"),
    ("resolver.exclude = ['numpy>2']", "resolver.exclude[0]", 2, "not the name of a distribution"),
    ("resolver.sdists = ['numpy']", "resolver.sdists", 2, "wheels only"),
    ("conda.channels = ['conda-forge']", "conda", 2, "cannot lock"),
    ("resolver.backend = 'pip-tools'", "resolver.backend", 2, "this version does not have"),
    ("resolver.backend = 'poetry'", "resolver.backend", 2, "is not a resolver"),
    ("resolver.exclude-newer = 'soon'", "resolver.exclude-newer", 2, "is not a time"),
    # indexes
    ("resolver.index = [{name='a', url='ftp://x.example/'}]", "resolver.index[0].url", 2, "URL of the web"),
    ("resolver.index = [{name='a', url='file:///x'}]", "resolver.index[0].url", 2, "URL of the web"),
    ("resolver.index = [{name='a', url='https:///x'}]", "resolver.index[0].url", 2, "URL of the web"),
    ("resolver.index = [{name='a', url='https://x.example/a b'}]", "resolver.index[0].url", 2, "is not a URL"),
    ("resolver.index = [{name='a', url='https://x.example/\"'}]", "resolver.index[0].url", 2, "is not a URL"),
    ("resolver.index = [{name='a', url='https://x.example:99999/'}]", "resolver.index[0].url", 2, "is not a URL"),
    ("resolver.index = [{name='a', url='https://[::1/'}]", "resolver.index[0].url", 2, "is not a URL"),
    ("resolver.index = [{name='a', url='http://x.example/'}]", "resolver.index[0].url", 2, "not encrypted"),
    ("resolver.index = [{name='a', url='https://x.example/?a=b'}]", "resolver.index[0].url", 2, "query or fragment"),
    ("resolver.index = [{name='a', url='https://x.example/#a'}]", "resolver.index[0].url", 2, "query or fragment"),
    ("resolver.index = [{name='a', url='https://u:pw@x.example/'}]", "resolver.index[0].url", 2, "netrc"),
    ("resolver.index = [{name='a', url='https://x.example/', packages=['a b']}]", "resolver.index[0].packages[0]", 2, "pattern"),
    ("resolver.index = [{name='a', url='https://x.example/', packages=['!a']}]", "resolver.index[0].packages[0]", 2, "pattern"),
    ("resolver.index = [{name='a', url='https://x.example/', exclude-newer='x'}]", "resolver.index[0].exclude-newer", 2, "a time"),
    ("resolver.index = [{name='a', url='https://x.example/', exclude-newer='7 days'}]", "resolver.index[0].exclude-newer", 2, "another moment tomorrow"),
    ("resolver.index = [{name='a', url='https://x.example/', exclude-newer='P7D'}]", "resolver.index[0].exclude-newer", 2, "a date, or false"),
    (
        "resolver.index = [{name='a', url='https://x.example/'}, {name='a', url='https://y.example/'}]",
        "resolver.index",
        2,
        "two entries with one name",
    ),
    (
        "resolver.index = [{name='a', url='https://x.example/', packages=['T_x']},\n"
        "{name='b', url='https://y.example/', packages=['z', 't-x']}]",
        "resolver.index[1].packages[1]",
        3,
        "t-x is bound to two indexes, a and b",
    ),
    (
        "resolver.index = [{name='a', url='https://x.example/'},\n{name='b', url='https://y.example/'}]",
        "resolver.index[1]",
        3,
        "two indexes name no packages",
    ),
    # image
    *[
        (f"image.base = '{base}'", "image.base", 2, "is not an image reference")
        for base in ("", "Python", "a b", "a:b:c", "a@sha256:12", f"a@sha256:{SHA.upper()}", "a\"b", "-a", "a//b", "https://a/b", "$x")
    ],
    ("image.env.'A-B' = '1'", "image.env.A-B", 2, "environment variable"),
    ("image.env.A = 1", "image.env.A", 2, "is not a string"),
    ("image.env.'' = '1'", 'image.env.""', 2, "environment variable"),
    ("image.workdir = 'app'", "image.workdir", 2, "is not an absolute path"),
    ("image.workdir = '/a/../b'", "image.workdir", 2, "is not an absolute path"),
    ("image.workdir = '/a/'", "image.workdir", 2, "is not an absolute path"),
    ("image.user = 'a b'", "image.user", 2, "is not a user"),
    ("image.user = '1000'", "image.user", 2, "without quotes"),
    ("image.packages = ['libgomp1; rm -rf /']", "image.packages[0]", 2, "is not an OS package"),
    ("image.packages = ['LibX']", "image.packages[0]", 2, "is not an OS package"),
    ("image.packages = ['a=1 2']", "image.packages[0]", 2, "is not an OS package"),
    ("image.provides = ['a b']", "image.provides[0]", 2, "not the name of a distribution"),
    ("image.files = [{source='../x', target='/x'}]", "image.files[0].source", 2, "not a path inside"),
    ("image.files = [{source='/etc/passwd', target='/x'}]", "image.files[0].source", 2, "not a path inside"),
    ("image.files = [{source='a\\\\b', target='/x'}]", "image.files[0].source", 2, "not a path inside"),
    ("image.files = [{source='x', target='x'}]", "image.files[0].target", 2, "not an absolute path"),
    ("image.files = [{source='x', target='/../x'}]", "image.files[0].target", 2, "not an absolute path"),
    ("image.files = [{source='x', target='/'}]", "image.files[0].target", 2, "not an absolute path"),
    ("image.files = [{source='x', target='/a'}, {source='y', target='/a'}]", "image.files", 2, "one target"),
    ("image.base = 'a'\nimage.files = [{source='gone', target='/a'}]", "image.files[0].source", 3, "does not exist"),
    ("image.python = { url = 'https://x.example/p', sha256 = 'x' }", "image.python.sha256", 2, "64 hex"),
    ("image.base='a'\nimage.python.url = 'https://x.example/p'", "image.python.sha256", 3, "has no image.python.sha256"),
    ("image.python.url.'linux/386' = 'https://x.example/p'", 'image.python.url."linux/386"', 2, "is not a platform"),
    (
        f"image.base='a'\nimage.python = {{ url = 'https://x.example/p', sha256.'linux/amd64' = '{SHA}' }}",
        "image.python",
        3,
        "mixes two forms",
    ),
    (
        f"image.base='a'\nplatforms = ['linux/arm64']\nimage.python = {{ url.'linux/amd64' = 'https://x.example/p',"
        f" sha256.'linux/amd64' = '{SHA}' }}",
        "image.python.url",
        4,
        "nothing for linux/arm64",
    ),
    # policy, files, unset
    ("policy.startup-hooks = ['a/b.pth']", "policy.startup-hooks[0]", 2, "is not a file name"),
    ("policy.startup-hooks = ['..']", "policy.startup-hooks[0]", 2, "is not a file name"),
    ("policy.writable = ['../x']", "policy.writable[0]", 2, "not a path under"),
    ("policy.writable = ['/x']", "policy.writable[0]", 2, "not a path under"),
    ("policy.writable = ['.']", "policy.writable[0]", 2, "not a path under"),
    ("policy.writable = ['']", "policy.writable[0]", 2, "not a path under"),
    ("policy.writable = ['share/x/']", "policy.writable[0]", 2, "not a path under"),
    ("policy.writable = ['share/../bin']", "policy.writable[0]", 2, "not a path under"),
    ("policy.writable = ['C:\\\\x']", "policy.writable[0]", 2, "not a path under"),
    ("policy.writable = ['share/*/runtime']", "policy.writable[0]", 2, "is a pattern"),
    ("policy.writable = ['~/.cache']", "policy.writable[0]", 2, "is a pattern"),
    ("policy.writable = ['$HOME/x']", "policy.writable[0]", 2, "is a pattern"),
    ("policy.writable = ['bin']", "policy.writable[0]", 2, "is in bin, which holds programs"),
    ("policy.writable = ['etc/jupyter']", "policy.writable[0]", 2, "headers or configuration"),
    ("policy.writable = ['include']", "policy.writable[0]", 2, "headers or configuration"),
    ("policy.writable = ['lib']", "policy.writable[0]", 2, "modules that Python imports"),
    ("policy.writable = ['lib64/data']", "policy.writable[0]", 2, "which holds libraries"),
    ("policy.writable = ['lib/python3.11']", "policy.writable[0]", 2, "modules that Python imports"),
    ("policy.writable = ['lib/python3.11/json/x']", "policy.writable[0]", 2, "modules that Python imports"),
    ("policy.writable = ['lib/python3.11/site-packages']", "policy.writable[0]", 2, "modules that Python imports"),
    ("policy.writable = ['lib/python3.11/site-packages/x']", "policy.writable[0]", 2, "modules that Python imports"),
    ("policy.writable = ['lib/python3.11/site-packages/x-1.dist-info/y']", "policy.writable[0]", 2, "that Python imports"),
    ("policy.writable = ['share/jupyter']", "policy.writable[0]", 2, "Jupyter's kernels"),
    ("policy.writable = ['share/jupyter/kernels']", "policy.writable[0]", 2, "Jupyter's kernels"),
    ("policy.writable = ['share/jupyter/runtime2']", "policy.writable[0]", 2, "Jupyter's kernels"),
    ("requirements = ['../r.in']", "requirements[0]", 2, "not a path inside"),
    ("requirements = ['r.in']", "requirements[0]", 2, "does not exist"),
    ("requirements = ['r.in#x']", "requirements[0]", 2, "has none"),
    ("project = { path = '..' }", "project.path", 2, "not a path inside"),
    ("project = { path = 'gone' }", "project.path", 2, "does not exist"),
    ("unset = ['nothing']", None, 2, "no earlier file"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "key", "line", "part"), BAD, ids=[f"{n}-{bad[1]}" for n, bad in enumerate(BAD)])
def test_a_bad_value_is_named_with_file_line_key_and_what_was_expected(refused, text, key, line, part) -> None:
    error = refused(f'python = "3.11"\n{text}\n')
    assert error.exit_code == 3
    assert error.file == "profiles/train.toml"
    assert (error.key, error.line) == (key, line), str(error)
    assert part in str(error), str(error)


@pytest.mark.parametrize(
    "python", ["3", "3.7", "2.7", "3.011", "3.11.", "3.14rc1", "3.x", "", "٣.11", "3.11.9.1", "4.0"]
)
def test_a_python_that_is_no_version_from_38_on_is_refused(refused, python) -> None:
    error = refused(f'python = "{python}"')
    assert (error.key, error.line) == ("python", 1)
    assert "3.8 or later" in str(error)


@pytest.mark.parametrize("python", ["3.8", "3.11", "3.11.9", "3.14.0"])
def test_a_python_from_38_on_is_read(loaded, python) -> None:
    assert loaded(f'python = "{python}"').profile.python == python


UNSEEN = [
    "\\u0000",
    "\\n",
    "\\r",
    "\\u001b",
    "\\u007f",
    "\\u0085",
    "\\u202e",
    "\\u2066",
    "\\u2028",
    "\\u200b",
    "\\ufeff",
]


@pytest.mark.parametrize("char", UNSEEN)
@pytest.mark.parametrize(
    "text",
    [
        'description = "a{}b"',
        'dependencies = ["numpy{}"]',
        'dependencies = ["!numpy{}"]',
        'image.env.A = "a{}b"',
        'image.env."A{}B" = "x"',
        'commands.x = ["python", "a{}b"]',
        '"ke{}y" = 1',
        '[variants."c{}pu"]',
        'image.base = "python:3{}"',
        'unset = ["a{}b"]',
        'requirements = ["a{}b"]',
    ],
)
def test_what_cannot_be_seen_is_refused_in_every_string_and_key(refused, text, char) -> None:
    error = refused('python = "3.11"\n' + text.format(char))
    assert error.exit_code == 3
    assert error.line == 2


def test_a_comment_cannot_turn_the_direction_of_writing(refused) -> None:
    error = refused('python = "3.11"\n# \u202e harmless')
    assert (error.exit_code, error.line) == (3, 2)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('python = "3.11"\npython = "3.12"', 2),
        ('python = "3.11"\n[image]\nbase="a"\n[image]\n', 4),
        ('python = "3.11"\nimage.user = 1\nimage.user = 2\n', 3),
        ('python = "3.11"\nx = ', 2),
        ('python = "3.11"\n[image\n', 2),
        ("python = 3.11.9", 1),
        ("<<<<<<< HEAD\n", 1),
        ('python = "\x00"', 1),
        ("a = " + "[" * 5000, None),
        ("a" + ".a" * 5000 + " = 1", None),
        ("a = " + "9" * 5000, None),
        ("a = {" * 300 + "}" * 300, None),
    ],
)
def test_what_is_no_toml_is_an_invalid_file_with_the_line_where_known(refused, text, line) -> None:
    error = refused(text)
    assert error.exit_code == 3
    assert error.file == "profiles/train.toml"
    assert line is None or error.line == line


def test_a_file_that_is_not_utf8_names_the_line(tmp_path, refused) -> None:
    error = refused('python = "3.11"\n# \udcff')
    assert (error.exit_code, error.line) == (3, 2)


def test_a_profile_that_is_a_folder_or_a_pipe_is_refused(tmp_path, write, refused) -> None:
    (tmp_path / "profiles" / "train.toml").mkdir(parents=True)
    assert refused({}).exit_code == 3
    (tmp_path / "profiles" / "train.toml").rmdir()
    os.mkfifo(tmp_path / "profiles" / "train.toml")
    assert refused({}).exit_code == 3


def test_the_place_of_a_syntax_error_is_pointed_at(refused) -> None:
    message = str(refused('python = "3.11"\ndependencies = [\n  "scipy",\n  "numpy>>2",\n]\n'))
    assert message == (
        "profiles/train.toml:4: dependencies[1] is not a requirement\n"
        '  found:    "numpy>>2"\n'
        "                  ^\n"
        '  expected: a PEP 508 requirement such as "numpy>=2,<3"'
    )


def test_credentials_of_an_address_are_in_no_message(refused) -> None:
    for text in (
        "resolver.index = [{name='a', url='https://user:secret@x.example/'}]",
        "dependencies = ['a @ https://user:secret@x.example/a.whl']",
        "dependencies = ['git+https://user:secret@x.example/a']",
        "resolver.exclude = ['https://user:secret@x.example/a']",
    ):
        assert "secret" not in str(refused('python = "3.11"\n' + text))


def test_a_link_that_leaves_the_project_is_refused(tmp_path, write, refused) -> None:
    project = write({"inside/x": "x", "train.toml": ""})
    (project / "away").symlink_to("/etc")
    (project / "near").symlink_to("inside")
    error = refused(
        'python="3.11"\nimage.base="a"\nimage.files=[{source="near/x", target="/a"}, {source="away/passwd", target="/b"}]'
    )
    assert (error.key, error.exit_code) == ("image.files[1].source", 3)
    assert "outside the project" in str(error)
    assert "outside the project" in str(refused('python="3.11"\nrequirements=["away/hosts"]'))


def test_error_in_another_variant_is_found_too(refused) -> None:
    error = refused('python = "3.11"\n[variants.cpu]\n[variants.cuda]\nimage.usr = 1\n', "train:cpu")
    assert (error.key, error.line) == ("variants.cuda.image.usr", 4)
