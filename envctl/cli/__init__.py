"""The command line: click and rich only; the one place where errors become exit codes."""
