"""Processes, HTTP, files, clock and machine: the only door to the outside."""
