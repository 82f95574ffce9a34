"""`python -m metasrgan` is the `metasrgan` command."""

from .cli.main import entry_point

entry_point()
