"""The lockfile (PEP 751): read, write, compare, staleness."""
