"""The door for a checkout that is not installed: `python cli.py ...` is `i2i ...`."""

from i2i.cli.main import run

if __name__ == "__main__":
    run()
