"""What programs leave behind in a week, each run for real: where they write when their variables point there."""

from __future__ import annotations

from dataclasses import dataclass

PROFILE = """\
python = "{python}"
dependencies = [
    "matplotlib", "numba", "nltk", "huggingface-hub", "ipykernel", "nbclient", "jupyter-server",
    "pytest", "pytest-asyncio", "pip", "uv",
]

[resolver]
exclude-newer = "2026-11-01T00:00:00Z"

[policy]
startup-hooks = []
writable = {writable}
"""


@dataclass(frozen=True)
class Use:
    """One program.

    Attributes:
        does: what it writes. `variables`: `{prefix}` and `{home}` are filled in. `script`: run by the environment's
            Python in an empty folder; `{hub}` is the address of a small model hub.
        writable: the folder that policy has to name, None where what is written is accepted without.
        codes: what is reported although policy allows the folder; `()`: nothing.
        why: of those.
    """

    does: str
    script: str
    variables: tuple[tuple[str, str], ...] = ()
    writable: str | None = None
    codes: tuple[str, ...] = ()
    why: str = ""


_PLOT = """\
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
plt.title("week")
plt.savefig("a.png")
"""
_NUMBA = """\
import numba
@numba.njit(cache=True)
def total(n):
    found = 0
    for i in range(n):
        found += i
    return found
assert total(10) == 45
"""
_NLTK = """\
import sys, zipfile
from pathlib import Path
import nltk
corpora = Path(sys.prefix) / "nltk_data" / "corpora"
corpora.mkdir(parents=True)
with zipfile.ZipFile(corpora / "stopwords.zip", "w") as archive:
    archive.writestr("stopwords/english", "the")
    archive.writestr("stopwords/README", "words")
for _ in nltk.downloader._unzip_iter(str(corpora / "stopwords.zip"), str(corpora), verbose=False):
    pass
assert nltk.corpus.stopwords.words("english") == ["the"]
"""
_HUB = """\
from huggingface_hub import hf_hub_download, scan_cache_dir
place = hf_hub_download("team/model", "config.json")
hf_hub_download("team/model", "weights/model.safetensors")
try:
    hf_hub_download("team/model", "absent.json")
except Exception as error:
    assert "404" in str(error)
assert open(place).read() == "{}"
assert len(scan_cache_dir().repos) == 1
"""
_HUB_CODE = """\
from huggingface_hub import hf_hub_download
hf_hub_download("team/model", "modeling_team.py")
"""
_NOTEBOOK = """\
import nbformat
from nbclient import NotebookClient
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")])
client = NotebookClient(notebook, kernel_name="python3")
client.execute()
assert notebook.cells[0].outputs[0].data["text/plain"] == "2"
"""
_SERVER = """\
import os, signal, subprocess, sys, time
from pathlib import Path
words = ["--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0", "--ServerApp.root_dir=."]
server = subprocess.Popen([sys.executable, "-m", "jupyter_server", *words])
runtime = Path(os.environ["JUPYTER_RUNTIME_DIR"])
for _ in range(1200):
    if list(runtime.glob("jpserver-*.json")) and list(runtime.glob("jpserver-*.html")):
        break
    time.sleep(0.1)
server.send_signal(signal.SIGKILL)
server.wait()
assert {path.suffix for path in runtime.glob("jpserver-*")} == {".json", ".html"}
"""
_IPYTHON = """\
import subprocess, sys
subprocess.run([sys.executable, "-m", "IPython", "-c", "1 + 1"], check=True)
subprocess.run([sys.executable, "-m", "IPython"], input=b"2 + 2\\n", check=True)
"""
_PYTEST = """\
import subprocess, sys
from pathlib import Path
Path("test_week.py").write_text("def test_week(tmp_path):\\n    assert tmp_path.exists()\\n")
sys.exit(subprocess.run([sys.executable, "-m", "pytest", "-q", {words}]).returncode)
"""
_PIP = """\
import subprocess, sys
subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", "down", "six==1.17.0"], check=True)
"""
_UV = """\
import subprocess, sys
subprocess.run([sys.executable, "-m", "uv", "pip", "install", "-q", "--target", "t", "six==1.17.0"], check=True)
"""
_COMPILE = """\
import compileall, sysconfig
for level in (0, 1, 2):
    compileall.compile_dir(sysconfig.get_path("purelib"), quiet=2, optimize=level, maxlevels=1)
"""
_KERNEL = """\
import subprocess, sys
subprocess.run([sys.executable, "-m", "ipykernel", "install", "--sys-prefix", "--name", "mine"], check=True)
"""
_EXTENSION = """\
import subprocess, sys
words = ["-m", "jupyter", "server", "extension", "enable", "--sys-prefix", "jupyter_server_terminals"]
subprocess.run([sys.executable, *words], check=True)
"""

USES = {
    "Matplotlib": Use("its list of fonts", _PLOT, (("MPLCONFIGDIR", "{prefix}/share/matplotlib"),), "share/matplotlib"),
    "NLTK": Use("corpora, in the archives that they come in and unpacked", _NLTK, (), "nltk_data"),
    "Hugging Face Hub": Use(
        "models and data sets, linked in its cache",
        _HUB,
        (("HF_HOME", "{prefix}/share/huggingface"), ("HF_ENDPOINT", "{hub}")),
        "share/huggingface",
    ),
    "Jupyter, a notebook": Use(
        "connections to kernels, removed afterwards",
        _NOTEBOOK,
        (("JUPYTER_RUNTIME_DIR", "{prefix}/share/jupyter/runtime"), ("IPYTHONDIR", "{home}/ipython")),
    ),
    "Jupyter, a server that was killed": Use(
        "its address, its cookies' secret",
        _SERVER,
        (("JUPYTER_RUNTIME_DIR", "{prefix}/share/jupyter/runtime"),),
        "share/jupyter/runtime",
    ),
    "IPython": Use(
        "history and an empty profile", _IPYTHON, (("IPYTHONDIR", "{prefix}/share/ipython"),), "share/ipython"
    ),
    "pytest": Use(
        "which tests failed",
        _PYTEST.replace("{words}", '"-p", "no:asyncio", "--assert=plain", "-o", "cache_dir={prefix}/var/pytest"'),
        (),
        "var/pytest",
    ),
    "python -m compileall": Use("bytecode of three levels", _COMPILE),
    "pip": Use("what it downloaded", _PIP, (("PIP_CACHE_DIR", "{prefix}/share/pip"),), "share/pip"),
    "uv": Use(
        "wheels, unpacked",
        _UV,
        (("UV_CACHE_DIR", "{prefix}/share/uv"),),
        "share/uv",
        ("ENV203", "ENV209", "ENV211"),
        "its cache holds modules: keep it outside, where it is by default",
    ),
    "numba": Use(
        "machine code",
        _NUMBA,
        (("NUMBA_CACHE_DIR", "{prefix}/share/numba"),),
        "share/numba",
        ("ENV203",),
        "it is run without a look at what it was made of: name a folder outside that only the program's user can write",
    ),
    "Hugging Face Hub, a model with code": Use(
        "a module",
        _HUB_CODE,
        (("HF_HOME", "{prefix}/share/huggingface"), ("HF_ENDPOINT", "{hub}")),
        "share/huggingface",
        ("ENV209",),
        "models whose code is trusted belong into a package that is locked",
    ),
    "Jupyter, a further kernel": Use(
        "kernel.json, which names a program",
        _KERNEL,
        (),
        None,
        ("ENV203",),
        "install it for the user: `python -m ipykernel install --user`",
    ),
    "Jupyter, an extension switched on": Use(
        "the configuration that its wheel brings, rewritten",
        _EXTENSION,
        (),
        None,
        ("ENV201",),
        "switch it on for the user (`--user`), or in a package that is locked",
    ),
    "pytest, asserts of its plugins": Use(
        "bytecode that it rewrote",
        _PYTEST.replace("{words}", '"-p", "no:cacheprovider"'),
        (),
        None,
        ("ENV403",),
        "only pytest can make it, and it runs it without comparing it: set PYTHONDONTWRITEBYTECODE, or --assert=plain",
    ),
}
