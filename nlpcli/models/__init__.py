"""Architectures, one file each: its settings in `config.py`, its module and a `build` in the file of its name."""
