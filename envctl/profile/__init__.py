"""Profiles: read, inherit, check."""
