"""`python -m metasrgan` is the `metasrgan` command."""

from .cli import entry_point

entry_point()
