"""More than 200 distributions that most people install, in groups that are locked together."""

from __future__ import annotations

CUTOFF = "2026-11-01T00:00:00Z"
GROUPS = {
    "web": """
requests urllib3 certifi idna charset-normalizer httpx httpcore anyio h11 h2 hpack hyperframe sniffio aiohttp
yarl multidict frozenlist propcache aiosignal aiohappyeyeballs starlette fastapi uvicorn uvloop httptools
websockets watchfiles sse-starlette python-multipart jinja2 markupsafe werkzeug flask itsdangerous click blinker
pydantic pydantic-core pydantic-settings annotated-types typing-extensions sqlalchemy greenlet alembic mako
redis pymongo psycopg2-binary asyncpg orjson gunicorn tornado django djangorestframework celery pyjwt
cryptography bcrypt pynacl pyopenssl email-validator dnspython requests-oauthlib oauthlib python-dotenv
sentry-sdk structlog asgiref marshmallow babel
""",
    "data": """
numpy pandas scipy scikit-learn matplotlib pyarrow pillow fonttools kiwisolver contourpy cycler joblib
threadpoolctl python-dateutil pytz tzdata networkx sympy mpmath tqdm openpyxl et-xmlfile xlsxwriter tabulate
lxml beautifulsoup4 soupsieve html5lib webencodings defusedxml fsspec cloudpickle dill multiprocess msgpack
xxhash zstandard numba llvmlite numexpr statsmodels patsy polars duckdb h5py shapely imageio plotly seaborn
narwhals bokeh nltk regex tokenizers tiktoken huggingface-hub safetensors hf-xet datasets filelock cython
rapidfuzz pyyaml
""",
    "cloud": """
boto3 botocore s3transfer jmespath google-auth google-api-core google-cloud-storage google-cloud-core
google-resumable-media google-crc32c googleapis-common-protos proto-plus protobuf grpcio grpcio-status pyasn1
pyasn1-modules rsa cachetools azure-core azure-identity azure-storage-blob msal msal-extensions isodate
kubernetes docker websocket-client opentelemetry-api opentelemetry-sdk opentelemetry-proto
opentelemetry-semantic-conventions wrapt deprecated importlib-metadata zipp tenacity backoff paramiko openai
jiter distro anthropic docstring-parser mcp jsonschema jsonschema-specifications referencing rpds-py httpx-sse
slack-sdk prometheus-client psutil
""",
    "tools": """
setuptools pip wheel build pyproject-hooks hatchling editables pathspec pluggy trove-classifiers poetry-core
setuptools-scm tomli tomlkit pytest pytest-cov pytest-asyncio pytest-xdist pytest-mock execnet iniconfig
coverage hypothesis sortedcontainers mypy mypy-extensions ruff black isort pre-commit cfgv identify nodeenv
virtualenv distlib platformdirs tox rich typer shellingham markdown-it-py mdurl pygments colorama textual
prompt-toolkit wcwidth pexpect ptyprocess ipython jedi parso decorator traitlets matplotlib-inline stack-data
executing asttokens pure-eval ipykernel jupyter-client jupyter-core pyzmq debugpy nbclient nbformat
fastjsonschema jupyterlab notebook nest-asyncio docutils sphinx watchdog gitpython gitdb smmap keyring jeepney
secretstorage more-itertools jaraco-classes jaraco-context jaraco-functools attrs packaging six chardet toml
""",
}
COMPILED = frozenset(("web", "cloud", "tools"))
"""Groups that uv compiles too; the sources of the other take longer than all of these."""


def names() -> set[str]:
    """All of them."""
    return {name for group in GROUPS.values() for name in group.split()}


def profile(group: str, python: str) -> str:
    """The profile of a group."""
    listed = "".join(f'    "{name}",\n' for name in GROUPS[group].split())
    return f'python = "{python}"\ndependencies = [\n{listed}]\n\n[resolver]\nexclude-newer = "{CUTOFF}"\n'
