"""What is installed, read from where it lies."""
