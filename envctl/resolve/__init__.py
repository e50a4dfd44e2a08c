"""Resolvers behind one interface: requirements in, pins out."""
