"""`python -m nlpcli` is the same as `nlpcli`."""

from nlpcli.cli.main import entry

entry()
