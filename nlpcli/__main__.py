"""`python -m nlpcli` is the same as `nlpcli`."""

from nlpcli.cli.main import main

raise SystemExit(main())
