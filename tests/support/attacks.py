"""What is done to the honest image of `support.attacked`, and how each deed must be named.

Deeds of one group are done to one image, so that few are built; all that a verification of it finds must be expected.
"""

from __future__ import annotations

from typing import NamedTuple

from support.attacked import SITE, VENV, Victim

PYTHON = "python3.11 -ISB"
_LINE = "lib/python3.11/site-packages"


class Attack(NamedTuple):
    """One deed.

    `code` and `path` name it; `path` is None where the message does, of which `says` is a part. `check` is the function
    without which it is not found. `inside`: whether a reader that sees the environment alone finds it.
    """

    name: str
    steps: str
    code: str
    path: str | None
    check: str
    says: str = ""
    inside: bool = True
    also: tuple[tuple[str, str | None], ...] = ()


CLOSED, SETTINGS = "envctl.verify.closed.check", "envctl.verify.settings.check"
CONTENTS, ROOT = "envctl.verify.contents.check", "envctl.verify.rootfs.check"
HOOKS, INTERPRETER = "envctl.verify.hooks.check", "envctl.verify.interpreter.check"
CHANGED = "envctl.verify.rootfs._check_changed"
BYTECODE = "envctl.verify.bytecode.check"

_REPAIRED = f"""\
RUN --mount=type=bind,target=/mnt sed -i s/served/serveD/ {SITE}/alpha/core.py \\
 && {PYTHON} /mnt/repair.py {SITE} alpha_tools-1.0.dist-info alpha/core.py"""
_OTHER_VERSION = f"""\
RUN --mount=type=bind,target=/mnt rm -r {SITE}/beta* {SITE}/ns \\
 && {PYTHON} -m zipfile -e /mnt/beta-2.1-py3-none-any.whl {SITE}"""


def _compile(source: str, cfile: str, mode: str = "TIMESTAMP") -> str:
    return f"p.compile('{source}', cfile='{cfile}', doraise=True, invalidation_mode=p.PycInvalidationMode.{mode})"


PROMISED = (
    Attack(
        "one byte changed with RECORD repaired",
        _REPAIRED,
        "ENV201",
        "alpha/core.py",
        CONTENTS,
        "RECORD was made to agree",
        also=(("ENV204", "alpha_tools-1.0.dist-info/RECORD"),),
    ),
    Attack("file added", f"RUN echo 1 > {SITE}/gamma/extra.py", "ENV203", f"{_LINE}/gamma/extra.py", CLOSED),
    Attack(
        "file removed by a layer on top", f"RUN rm {SITE}/gamma/deep/one.py", "ENV202", "gamma/deep/one.py", CONTENTS
    ),
    Attack("other package version", _OTHER_VERSION, "ENV103", None, "envctl.verify.packages.split", "2.1 is installed"),
    Attack(".pth added", f"RUN echo import os > {SITE}/zz.pth", "ENV401", f"{_LINE}/zz.pth", HOOKS, "import os"),
    Attack(
        "module shadowed through PYTHONPATH",
        "RUN mkdir /srv/lib && echo B=4 > /srv/lib/beta.py\nENV PYTHONPATH=/srv/lib",
        "ENV308",
        None,
        INTERPRETER,
        "PYTHONPATH is set to /srv/lib",
    ),
    Attack(
        "the module that PYTHONPATH brings",
        "",
        "ENV312",
        "/srv/lib/beta.py",
        "envctl.verify.rootfs._check_shadows",
        "in place of the locked module beta",
        inside=False,
    ),
    Attack(
        "a layer on top deletes a file of the base",
        "RUN rm /usr/lib/python3.11/this.py",
        "ENV502",
        "/usr/lib/python3.11/this.py",
        CHANGED,
        inside=False,
    ),
)

_ADDED = {
    "a module in the standard library": ("echo X > {}", "/usr/lib/python3.11/evil.py"),
    "a library": ("cp /usr/lib/x86_64-linux-gnu/libz.so.1 {}", "/usr/lib/x86_64-linux-gnu/libzz.so.1"),
    "a zip that is before the standard library": (
        PYTHON + """c "import zipfile; zipfile.ZipFile('{}', 'w').writestr('re.py', '')\"""",
        "/usr/lib/python311.zip",
    ),
    "dist-packages of /usr/local": ("echo import os > {}", "/usr/local/lib/python3.11/dist-packages/d.pth"),
    "site-packages of a user": (
        "mkdir -p /home/us/.local/lib/python3.11/site-packages && echo import os > {}",
        "/home/us/.local/lib/python3.11/site-packages/u.pth",
    ),
    "another python": ("cp /bin/true {}", "/usr/local/bin/python"),
    "a program with its owner's rights": ("cp /usr/bin/id {0} && chmod 4755 {0}", "/usr/bin/asroot"),
    "places for the loader": ("echo /srv/lib > {}", "/etc/ld.so.conf.d/zz.conf"),
    "a library for every program": ("echo /lib/evil.so > {}", "/etc/ld.so.preload"),
}
_REPLACED = {
    "a module of the standard library": ("echo '# x' >> {}", "/usr/lib/python3.11/json/__init__.py"),
    "bytecode of the standard library": ("printf x > {}", "/usr/lib/python3.11/__pycache__/this.cpython-311.pyc"),
    "sitecustomize of Debian": ("echo import os >> {}", "/etc/python3.11/sitecustomize.py"),
    "a library of the base": ("printf x >> {}", "/usr/lib/x86_64-linux-gnu/libz.so.1.2.13"),
    "a file by a link": ("rm {0} && ln -s /srv/awk {0}", "/usr/bin/awk"),
    "rights of a program": ("chmod u+s {}", "/usr/bin/env"),
    "rights of a module": ("chmod 777 {}", "/usr/lib/python3.11/this.py"),
    "a folder by a file": ("rm -r {0} && echo x > {0}", "/usr/lib/python3.11/wsgiref"),
    "a folder by a link": ("cp -a {0} /srv/p && rm -r {0} && ln -s /srv/p {0}", "/usr/lib/python3.11/email"),
    "python": ("printf x >> {}", "/usr/bin/python3.11"),
}
AROUND = (
    *(
        Attack(f"added: {name}", f"RUN {step.format(path)}", "ENV503", path, CHANGED, inside=False)
        for name, (step, path) in _ADDED.items()
    ),
    *(
        Attack(f"replaced: {name}", f"RUN {step.format(path)}", "ENV502", path, CHANGED, inside=False)
        for name, (step, path) in _REPLACED.items()
    ),
    Attack(
        "a setuid program elsewhere",
        "RUN cp /usr/bin/id /srv/asroot && chmod 4755 /srv/asroot",
        "ENV212",
        "/srv/asroot",
        "envctl.verify.loading.check_rights",
        inside=False,
    ),
    *(
        Attack(
            f"anyone may write to {place}",
            f"RUN chmod 777 {place}",
            "ENV211",
            place,
            "envctl.verify.loading.check_rights",
            inside=False,
        )
        for place in ("/usr/lib/python3.11", "/opt")
    ),
)
LOADER = (
    Attack(
        "the loader's cache leads elsewhere",
        "RUN mkdir /srv/so && cp /lib/x86_64-linux-gnu/libm.so.6 /srv/so && echo /srv/so > /tmp/c \\\n"
        " && ldconfig -f /tmp/c && rm /tmp/c",
        "ENV502",
        "/etc/ld.so.cache",
        "envctl.verify.loading.check_caches",
        "/srv/so/libm.so.6",
        inside=False,
    ),
)

WITHIN = (
    Attack("site-packages open to all", f"RUN chmod 777 {SITE}", "ENV211", _LINE, CLOSED),
    Attack("setuid", f"RUN chmod 4755 {SITE}/alpha/__init__.py", "ENV212", f"{_LINE}/alpha/__init__.py", CLOSED),
    Attack("program added", f"RUN echo x > {VENV}/bin/ls && chmod 755 {VENV}/bin/ls", "ENV203", "bin/ls", CLOSED),
    Attack(
        "script edited",
        f"RUN echo '# x' >> {VENV}/bin/alpha",
        "ENV206",
        "bin/alpha",
        CONTENTS,
    ),
    Attack(
        "package over a module",
        f"RUN mkdir {SITE}/beta && touch {SITE}/beta/__init__.py",
        "ENV203",
        f"{_LINE}/beta/__init__.py",
        CLOSED,
    ),
    Attack("sitecustomize", f"RUN echo x > {SITE}/sitecustomize.py", "ENV401", f"{_LINE}/sitecustomize.py", HOOKS),
    Attack(
        "bytecode of other code",
        f"RUN echo 'EVIL = 1' > /tmp/evil.py && {PYTHON}c \"import py_compile as p; "
        + _compile("/tmp/evil.py", f"{SITE}/gamma/__pycache__/__init__.cpython-311.pyc")
        + '" && rm /tmp/evil.py',
        "ENV403",
        "gamma/__pycache__/__init__.cpython-311.pyc",
        BYTECODE,
        inside=False,
    ),
    Attack(
        "bytecode that is not checked",
        f'RUN {PYTHON}c "import py_compile as p; '
        + _compile(f"{SITE}/alpha/wait.py", f"{SITE}/alpha/__pycache__/wait.cpython-311.pyc", "UNCHECKED_HASH")
        + '"',
        "ENV404",
        "alpha/__pycache__/wait.cpython-311.pyc",
        BYTECODE,
        inside=False,
    ),
    Attack(
        "bytecode without a source",
        f'RUN {PYTHON}c "import py_compile as p; ' + _compile(f"{SITE}/alpha/wait.py", f"{SITE}/alpha/w.pyc") + '"',
        "ENV405",
        f"{_LINE}/alpha/w.pyc",
        CLOSED,
    ),
    Attack("link out", f"RUN ln -s /srv/elsewhere {SITE}/elsewhere", "ENV209", f"{_LINE}/elsewhere", CLOSED),
    Attack("link to itself", f"RUN ln -s loop {SITE}/loop", "ENV209", f"{_LINE}/loop", CLOSED),
    Attack("pipe", f"RUN mkfifo {SITE}/pipe", "ENV213", f"{_LINE}/pipe", CLOSED),
    Attack("device", f"RUN mknod {SITE}/null c 1 3", "ENV213", f"{_LINE}/null", CLOSED),
    Attack(
        "packages of the base let in",
        f"RUN sed -i 's/^include-system.*/include-system-site-packages = true/' {VENV}/pyvenv.cfg",
        "ENV305",
        "pyvenv.cfg",
        INTERPRETER,
    ),
    Attack(
        "a name with a line break and bytes that are no text",
        f"RUN {PYTHON}c \"open(b'{SITE}/new\\\\nline \\\\xff.py', 'w')\"",
        "ENV203",
        f"{_LINE}/new\\nline \\udcff.py",
        CLOSED,
    ),
)

SAID = (
    Attack("locked file changed", "RUN printf x >> /srv/model.bin", "ENV601", "/srv/model.bin", ROOT, inside=False),
    Attack("app hides a module", "RUN echo x > /srv/app/beta.py", "ENV312", "/srv/app/beta.py", ROOT, inside=False),
    Attack(
        "app hides a package",
        "RUN mkdir /srv/app/gamma && touch /srv/app/gamma/__init__.py",
        "ENV312",
        "/srv/app/gamma",
        ROOT,
        inside=False,
    ),
    Attack("variable changed", "ENV GREETING=bye", "ENV504", "GREETING", SETTINGS),
    Attack("variable added", "ENV OTHER=1", "ENV504", "OTHER", SETTINGS),
    Attack("variables of the loader", "ENV LD_PRELOAD=/srv/x.so", "ENV308", None, INTERPRETER, "LD_PRELOAD"),
    Attack("home of Python", "ENV PYTHONHOME=/srv", "ENV308", None, INTERPRETER, "PYTHONHOME"),
    Attack("libraries first", "ENV LD_LIBRARY_PATH=/srv", "ENV309", None, INTERPRETER, "LD_LIBRARY_PATH"),
    Attack("command changed", 'ENTRYPOINT ["sh", "-c"]\nCMD ["evil"]', "ENV505", "command", SETTINGS),
    Attack("entrypoint added", "", "ENV505", "entrypoint", SETTINGS),
    Attack("user changed", "", "ENV505", "user", SETTINGS),
    Attack("label changed", "LABEL envctl.package-set.linux-amd64=sha256:00", "ENV510", "labels", SETTINGS),
    Attack(
        "another lockfile inside",
        "RUN echo >> /opt/envctl/pylock.toml",
        "ENV508",
        "/opt/envctl/pylock.toml",
        ROOT,
        inside=False,
    ),
    Attack(
        "programs before the environment's",
        "RUN mkdir /srv/bin && cp /bin/true /srv/bin/alpha\nENV PATH=/srv/bin:$PATH",
        "ENV504",
        "PATH",
        SETTINGS,
        "its alpha runs in place of another",
        inside=False,
    ),
)

GROUPS: dict[str, tuple[Attack, ...]] = {
    "promised": PROMISED,
    "around": AROUND,
    "loader": LOADER,
    "within": WITHIN,
    "said": SAID,
    "workdir": (Attack("workdir changed", "WORKDIR /tmp", "ENV505", "workdir", SETTINGS),),
    "removed": (
        Attack("locked file removed", "RUN rm /srv/model.bin", "ENV602", "/srv/model.bin", ROOT, inside=False),
        Attack(
            "pyvenv.cfg leads elsewhere",
            f"RUN sed -i 's/^home.*/home = \\/srv/' {VENV}/pyvenv.cfg",
            "ENV304",
            "pyvenv.cfg",
            INTERPRETER,
            "holds no interpreter",
            also=(
                ("ENV903", None),
                ("ENV203", "bin/activate"),
                ("ENV203", "bin/activate.csh"),
                ("ENV203", "bin/activate.fish"),
            ),
        ),
    ),
    "interpreter": (
        Attack(
            "python by a copy of another program",
            f"RUN rm {VENV}/bin/python3 && cp /bin/true {VENV}/bin/python3",
            "ENV307",
            "bin/python3",
            INTERPRETER,
        ),
    ),
    "link": (
        Attack(
            "packages by a link",
            f"RUN mv {SITE} /srv/sp && ln -s /srv/sp {SITE}",
            "ENV310",
            None,
            "envctl.verify.compare.absent",
            "has no place for packages",
        ),
    ),
}

USERS = {"said": "0"}
"""The user at the end where it is another than the victim's."""


def derive(victim: Victim, group: str) -> str:
    """The victim with all of a group's deeds."""
    steps = "\n".join(row.steps for row in GROUPS[group] if row.steps)
    return victim.derive(f"attacked-{group}", steps, user=USERS.get(group, "10001"))
