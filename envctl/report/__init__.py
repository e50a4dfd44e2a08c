"""A verification as text in one of several formats."""
