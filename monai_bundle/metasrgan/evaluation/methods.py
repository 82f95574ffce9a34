"""What is compared: methods in one word, ``NAME`` or ``NAME:CONSISTENT``, and what tables and pictures call them.

A *name* is one of `metasrgan.upscaling.request.METHODS` or that of a network at hand; the *suffix* says by which model
of acquisition what was measured is put back, or "off". Without a suffix a network keeps it as it does for everybody, by
k-space, and an interpolation is the plain one. The shipped weights of "net" are chosen by what is put back.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..errors import UsageError
from ..trust.consistency import MODELS
from ..upscaling.request import CONSISTENCIES, METHODS

# Those that gains are reported over, as far as they are compared.
RIVALS = ("bspline", "zerofill", "bicubic")
_NAMES = {
    "net": "Meta-SRGAN",
    "MetaSRGAN_GAN": "Meta-SRGAN, GAN",
    "SRGAN_L1": "SRGAN, L1",
    "bspline": "B-spline",
    "zerofill": "zero-filling (sinc)",
}
_KEPT = {"off": "no consistency", "kspace": "k-space consistency", "mean": "mean consistency"}


@dataclass(frozen=True)
class Method:
    """A method compared.

    Attributes:
        name: of `metasrgan.upscaling.request.METHODS`, or of a network.
        consistent: of `metasrgan.upscaling.request.CONSISTENCIES`.
    """

    name: str
    consistent: str

    @property
    def word(self) -> str:
        """As it is written, without its default suffix."""
        return self.name if self.consistent == _choose_suffix(self.name) else f"{self.name}:{self.consistent}"


def parse_method(word: str, networks: Collection[str] = ()) -> Method:
    """Take a method from a word.

    >>> parse_method("net")
    Method(name='net', consistent='kspace')
    >>> parse_method("net:off").word, parse_method("bspline:off").word
    ('net:off', 'bspline')

    Args:
        word: ``NAME`` or ``NAME:CONSISTENT``.
        networks: names of networks at hand, beside "net".

    Raises:
        UsageError: an unknown name or suffix, or one that the method cannot heed.
    """
    name, colon, suffix = word.partition(":")
    if name not in METHODS and name not in networks:
        known = ", ".join([*METHODS, *(each for each in networks if each not in METHODS)])
        raise UsageError(f"method {name!r} is unknown; choose from {known}")
    if not colon:
        return Method(name, _choose_suffix(name))
    if suffix not in CONSISTENCIES:
        known = ", ".join(f"{name}:{each}" for each in CONSISTENCIES)
        raise UsageError(f"method {word!r}: {suffix!r} is unknown; choose from {name}, {known}")
    if name == "nearest" and suffix != "off":
        raise UsageError(f"method {word!r}: nearest picks voxels, and nothing can be added to them; write nearest")
    return Method(name, suffix)


def name_method(word: str) -> str:
    """Return what pictures and tables call a method, such as "Meta-SRGAN, no consistency"."""
    name, _, suffix = word.partition(":")
    called = _NAMES.get(name, name)
    return f"{called}, {_KEPT[suffix]}" if suffix else called


def list_rivals(words: Sequence[str]) -> list[str]:
    """Return those of the methods that the others' gains are reported over."""
    return [rival for rival in RIVALS if rival in words]


def _choose_suffix(name: str) -> str:
    return "off" if name in METHODS and name != "net" else MODELS[0]
