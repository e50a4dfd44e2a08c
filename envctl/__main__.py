"""`python -m envctl` is the command `envctl`."""

from envctl.cli.main import run

if __name__ == "__main__":
    run()
