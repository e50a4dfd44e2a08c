"""Attacks on an image outside of its environment: system, loader, locked files, settings."""

from __future__ import annotations

from .row import AROUND, CACHES, CHANGED, IMAGE, ROOT, SETTINGS, SHADOWS, VARIABLES, Attack

_PYTHON = "python3.11 -ISB"
_ADDED = {
    "a module in the standard library": ("echo X > {}", "/usr/lib/python3.11/evil.py"),
    "a library": ("cp /usr/lib/x86_64-linux-gnu/libz.so.1 {}", "/usr/lib/x86_64-linux-gnu/libzz.so.1"),
    "a zip that is before the standard library": (
        _PYTHON + """c "import zipfile; zipfile.ZipFile('{}', 'w').writestr('re.py', '')\"""",
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


def _row(
    name: str, code: str, path: str | None, check: str, steps: str, group: str, *, says: str = "", inside: bool = False
) -> Attack:
    return Attack(name, code, path, check, steps=steps, says=says, where=(IMAGE,), inside=inside, group=group)


_RIGHTS = "around"
AROUND_ROWS = (
    *(
        _row(f"added: {what}", "ENV503", path, CHANGED, f"RUN {step.format(path)}", _RIGHTS)
        for what, (step, path) in _ADDED.items()
    ),
    *(
        _row(f"replaced: {what}", "ENV502", path, CHANGED, f"RUN {step.format(path)}", _RIGHTS)
        for what, (step, path) in _REPLACED.items()
    ),
    _row(
        "a setuid program anywhere",
        "ENV212",
        "/srv/asroot",
        AROUND,
        "RUN cp /usr/bin/id /srv/asroot && chmod 4755 /srv/asroot",
        _RIGHTS,
    ),
    *(
        _row(f"anyone may write to {place}", "ENV211", place, AROUND, f"RUN chmod 777 {place}", _RIGHTS)
        for place in ("/usr/lib/python3.11", "/opt")
    ),
    _row(
        "a layer on top deletes a module of the standard library",
        "ENV502",
        "/usr/lib/python3.11/antigravity.py",
        CHANGED,
        "RUN rm /usr/lib/python3.11/antigravity.py",
        _RIGHTS,
    ),
    _row(
        "the loader's cache leads elsewhere",
        "ENV502",
        "/etc/ld.so.cache",
        CACHES,
        "RUN mkdir /srv/so && cp /lib/x86_64-linux-gnu/libm.so.6 /srv/so && echo /srv/so > /tmp/c \\\n"
        " && ldconfig -f /tmp/c && rm /tmp/c",
        "loader",
        says="/srv/so/libm.so.6",
    ),
)
SAID = (
    _row("a locked file is changed", "ENV601", "/srv/model.bin", ROOT, "RUN printf x >> /srv/model.bin", "said"),
    _row(
        "the application hides a module", "ENV312", "/srv/app/beta.py", SHADOWS, "RUN echo x > /srv/app/beta.py", "said"
    ),
    _row(
        "the application hides a package",
        "ENV312",
        "/srv/app/gamma",
        SHADOWS,
        "RUN mkdir /srv/app/gamma && touch /srv/app/gamma/__init__.py",
        "said",
    ),
    _row("a locked variable is changed", "ENV504", "GREETING", SETTINGS, "ENV GREETING=bye", "said", inside=True),
    _row("a variable is added", "ENV504", "OTHER", SETTINGS, "ENV OTHER=1", "said", inside=True),
    _row(
        "command and entrypoint are changed",
        "ENV505",
        "command",
        SETTINGS,
        'ENTRYPOINT ["sh", "-c"]\nCMD ["evil"]',
        "said",
        inside=True,
    ),
    _row("an entrypoint is added", "ENV505", "entrypoint", SETTINGS, "", "said", inside=True),
    _row("the user is changed", "ENV505", "user", SETTINGS, "", "said", inside=True),
    _row(
        "a label is changed",
        "ENV510",
        "labels",
        SETTINGS,
        "LABEL envctl.package-set.linux-amd64=sha256:00",
        "said",
        inside=True,
    ),
    _row(
        "another lockfile is put into the image",
        "ENV508",
        "/opt/envctl/pylock.toml",
        ROOT,
        "RUN echo >> /opt/envctl/pylock.toml",
        "said",
    ),
    _row(
        "programs are put before the environment's",
        "ENV504",
        "PATH",
        SETTINGS,
        "RUN mkdir /srv/bin && cp /bin/true /srv/bin/alpha\nENV PATH=/srv/bin:$PATH",
        "said",
        says="its alpha runs in place of another",
    ),
    _row(
        "a module shadows a locked one through PYTHONPATH",
        "ENV312",
        "/srv/lib/beta.py",
        SHADOWS,
        "RUN mkdir /srv/lib && echo B=4 > /srv/lib/beta.py\nENV PYTHONPATH=/srv/lib",
        "said",
        says="in place of the locked module beta",
    ),
    _row(
        "PYTHONPATH leads to it",
        "ENV308",
        None,
        VARIABLES,
        "",
        "said",
        says="PYTHONPATH is set to /srv/lib",
        inside=True,
    ),
    _row("the working folder is changed", "ENV505", "workdir", SETTINGS, "WORKDIR /tmp", "workdir", inside=True),
    _row("a locked file is removed", "ENV602", "/srv/model.bin", ROOT, "RUN rm /srv/model.bin", "removed"),
    _row(
        "the site directory by a link",
        "ENV310",
        None,
        "compare.absent",
        "RUN mv {site} /srv/sp && ln -s /srv/sp {site}",
        "site by a link",
        says="has no place for packages",
        inside=True,
    ),
)
