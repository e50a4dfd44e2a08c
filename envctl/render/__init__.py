"""A lockfile as text in another format. Pure functions."""
