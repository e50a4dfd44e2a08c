"""envctl: one environment at every step of machine learning in containers.

The package reads in the order of its pipeline: `profile`, `resolve`, `index`, `lockfile`, `render`, `image`,
`inventory`, `verify`, `report`. `commands` joins them, one use case a file, and is the Python API.
"""

__version__ = "0.1.0"
