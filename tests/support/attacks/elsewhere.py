"""Attacks that are done to no environment of the table: on containers, lockfiles, caches, and while files are read.

`proof` names the test that does each.
"""

from __future__ import annotations

from .row import BASE, CONTAINER, CONTENTS, HOOKS, IMAGE, MOUNTS, PROBLEMS, SETTINGS, VENV, VERSION, Attack

_CONTAINERS = "tests/integration/test_verify_containers.py::"
_HERE = "tests/integration/test_verify_attacks.py::"


def _container(what: str, code: str, path: str | None, check: str, proof: str, says: str = "") -> Attack:
    return Attack(what, code, path, check, says=says, where=(CONTAINER,), proof=_CONTAINERS + proof)


_WRITTEN = "test_what_a_container_changed_is_found_while_it_runs_and_when_it_is_stopped"
_MOUNTED = "test_mounts_are_judged_by_what_they_cover"
ELSEWHERE = (
    _container("a running container writes into its environment", "ENV201", "{module}", CONTENTS, _WRITTEN),
    _container("a stopped container that wrote a startup hook", "ENV401", "{site}/z.pth", HOOKS, _WRITTEN),
    _container(
        "a volume over a package",
        "ENV214",
        "{site}/{folder}",
        "closed._check_mount",
        "test_a_mount_over_site_packages_is_named",
    ),
    _container(
        "a file system in memory over the whole environment",
        "ENV214",
        "/opt/venv",
        MOUNTS,
        "test_a_mount_over_all_of_it_is_named",
    ),
    _container("a volume over the standard library", "ENV214", "/usr/lib/python3.11/json", MOUNTS, _MOUNTED),
    _container("a file mounted over a locked one", "ENV214", "/srv/model.bin", MOUNTS, _MOUNTED),
    _container(
        "a container is started with PYTHONPATH",
        "ENV308",
        None,
        "interpreter._variable",
        "test_variables_of_the_container_and_of_each_process_count",
        "PYTHONPATH is set to",
    ),
    _container(
        "a process of a container is started with LD_PRELOAD",
        "ENV308",
        None,
        SETTINGS,
        "test_variables_of_the_container_and_of_each_process_count",
        "in process",
    ),
    _container(
        "a container is started as another user",
        "ENV505",
        "user",
        SETTINGS,
        "test_whom_a_container_runs_as_counts_and_what_it_runs_does_not",
    ),
    Attack(
        "the image stands on another base",
        "ENV501",
        "layer 1",
        BASE,
        where=(IMAGE,),
        proof="tests/integration/test_attacks_image.py::test_another_base_is_found",
    ),
    Attack(
        "another patch release of Python in the image",
        "ENV302",
        None,
        VERSION,
        where=(IMAGE,),
        proof="tests/integration/test_attacks_image.py::test_another_patch_release_of_python_is_an_error",
    ),
    Attack(
        "another file system over a folder of the environment (bind mount, overlay)",
        "ENV214",
        "{site}/{folder}",
        "closed._check_mount",
        where=(VENV,),
        proof=_HERE + "test_a_mount_in_an_environment_is_named",
    ),
    Attack(
        "a file changes while it is read",
        "ENV901",
        "{site}/{module}",
        PROBLEMS,
        where=(VENV,),
        proof=_HERE + "test_a_file_that_changes_while_it_is_read_is_never_right",
    ),
    Attack(
        "a file cannot be read",
        "ENV901",
        "{site}/{module}",
        PROBLEMS,
        where=(VENV,),
        proof="tests/integration/test_verify_unreadable.py::test_what_cannot_be_read_is_unverifiable_and_named",
    ),
    Attack(
        "a path that is too long to be opened",
        "ENV901",
        None,
        PROBLEMS,
        where=(VENV,),
        proof=_HERE + "test_a_path_too_long_to_be_read_is_unverifiable",
    ),
    Attack(
        "a package is edited in uv's cache, and installed from there by hard links",
        "ENV201",
        "{module}",
        CONTENTS,
        where=(VENV,),
        proof=_HERE + "test_a_package_poisoned_in_the_cache_of_uv_is_named",
    ),
    Attack(
        "a wheel is replaced in pip's cache",
        "ENV201",
        "{module}",
        CONTENTS,
        where=(VENV,),
        proof=_HERE + "test_a_wheel_poisoned_in_the_cache_of_pip_is_named",
    ),
    Attack(
        "the lockfile is edited to match what was done, and sealed again",
        "ENV702",
        "profiles/locked/pylock.train.toml.sig",
        "the signature that --require-signature wants; without one, lock --check --resolve",
        where=(VENV, IMAGE),
        proof="tests/integration/test_sign_command.py::test_a_lockfile_that_was_made_to_match_a_tampered_environment",
    ),
)
