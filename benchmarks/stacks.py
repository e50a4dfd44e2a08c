"""The sets of packages that are locked and verified."""

from __future__ import annotations

from pathlib import Path

FULL = [
    *("numpy", "scipy", "pandas", "scikit-learn", "jupyter", "matplotlib", "seaborn", "cython", "torch", "tensorflow"),
    *("keras", "xgboost", "pymc", "pystan", "gensim", "nltk", "opencv-python-headless"),
]
SMALL = [
    *("numpy", "scipy", "pandas", "scikit-learn", "matplotlib", "seaborn", "requests", "fastapi", "uvicorn"),
    *("sqlalchemy", "jupyterlab", "pydantic"),
]
GIGABYTE = [
    *("scikit-learn", "pandas", "pyarrow", "matplotlib", "xgboost-cpu", "jax", "opencv-python-headless", "polars"),
    *("numba", "jupyterlab", "plotly", "statsmodels", "gensim"),
]
BASE = "python:3.11.9-slim-bookworm@sha256:8fb099199b9f2d70342674bd9dbccd3ed03a258f26bbd1d556822c6dfc60c317"


def project(folder: Path, stack: list[str], *, exclude: tuple[str, ...] = ()) -> Path:
    """A project folder with the profile `bench`."""
    (folder / "profiles").mkdir(parents=True, exist_ok=True)
    names = ", ".join(f'"{name}"' for name in stack)
    excluded = ", ".join(f'"{name}"' for name in exclude)
    (folder / "profiles" / "bench.toml").write_text(
        f'python = "3.11.9"\ndependencies = [{names}]\n'
        f'[resolver]\nexclude-newer = "2026-11-01T00:00:00Z"\nexclude = [{excluded}]\n'
        f'[image]\nbase = "{BASE}"\n',
        "utf-8",
    )
    return folder
