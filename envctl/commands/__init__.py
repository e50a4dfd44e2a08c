"""The use cases, one a file: plain arguments and ports in, a value out. This is the Python API."""
