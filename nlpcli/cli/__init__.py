"""The command line: one file a command, holding options and help; the work is imported inside the function."""
