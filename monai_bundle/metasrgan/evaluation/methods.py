"""What is compared: methods in one word, ``NAME`` or ``NAME:CONSISTENT``, and what tables and pictures call them.

A *name* is one of `metasrgan.upscaling.request.METHODS` or that of a network at hand; the *suffix* says by which model
of acquisition what was measured is put back, or "off". Without a suffix a network keeps it as it does for everybody, by
k-space, and an interpolation is the plain one. The shipped weights of "net" are chosen by what is put back.

Through the plane a method is ``NAME``, ``NAME:profile`` or either of them with ``:1`` or ``:2`` behind it, which says
along how many axes the volume is cut.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from ..errors import UsageError
from ..trust.consistency import MODELS
from ..upscaling.request import METHODS

# What may be put back in plane, and through it.
SUFFIXES, _THROUGH_PLANE_SUFFIXES = (*MODELS, "off"), ("profile",)
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
_THROUGH_PLANE = {"profile": "slice profile kept", "1": "one cut", "2": "two cuts"}


@dataclass(frozen=True)
class Method:
    """A method compared.

    Attributes:
        name: of `metasrgan.upscaling.request.METHODS`, or of a network.
        consistent: of `metasrgan.upscaling.request.CONSISTENCIES`.
        passes: of `metasrgan.upscaling.request.Request`.
    """

    name: str
    consistent: str
    passes: int | None = None

    @property
    def word(self) -> str:
        """As it is written, without its default suffix."""
        kept = [] if self.consistent == _choose_suffix(self.name) else [self.consistent]
        return ":".join([self.name, *kept, *([] if self.passes is None else [str(self.passes)])])


def parse_method(word: str, networks: Collection[str] = (), suffixes: Sequence[str] = SUFFIXES) -> Method:
    """Take a method from a word.

    >>> parse_method("net")
    Method(name='net', consistent='kspace', passes=None)
    >>> parse_method("net:off").word, parse_method("bspline:off").word
    ('net:off', 'bspline')

    Args:
        word: ``NAME`` or ``NAME:CONSISTENT``.
        networks: names of networks at hand, beside "net".
        suffixes: that there may be.

    Raises:
        UsageError: an unknown name or suffix, or one that the method cannot heed.
    """
    name, colon, suffix = word.partition(":")
    if name == "labels":
        raise UsageError(f"method {word!r} draws boundaries of labels, and only scans are compared; leave it out")
    if name not in METHODS and name not in networks:
        known = ", ".join([*METHODS, *(each for each in networks if each not in METHODS)])
        raise UsageError(f"method {name!r} is unknown; choose from {known}")
    if not colon:
        return Method(name, _choose_suffix(name))
    if suffix not in suffixes:
        known = ", ".join(f"{name}:{each}" for each in suffixes)
        raise UsageError(f"method {word!r}: {suffix!r} is unknown; choose from {name}, {known}")
    if name == "nearest" and suffix != "off":
        raise UsageError(f"method {word!r}: nearest picks voxels, and nothing can be added to them; write nearest")
    return Method(name, suffix)


def parse_through_plane_method(word: str) -> Method:
    """Take a method that makes slices finer from a word.

    >>> parse_through_plane_method("net:profile:1")
    Method(name='net', consistent='profile', passes=1)

    Args:
        word: ``NAME`` or ``NAME:profile``, for a network with ``:1`` or ``:2`` behind it.

    Raises:
        UsageError: an unknown name or suffix, or one that the method cannot heed.
    """
    rest, _, last = word.rpartition(":")
    passes = int(last) if rest and last in ("1", "2") else None
    method = parse_method(word if passes is None else rest, suffixes=_THROUGH_PLANE_SUFFIXES)
    if passes is not None and method.name != "net":
        raise UsageError(f"method {word!r}: only net cuts the volume; write {rest}")
    return replace(method, passes=passes)


def name_method(word: str) -> str:
    """Return what pictures and tables call a method, such as "Meta-SRGAN, no consistency"."""
    name, *suffixes = word.split(":")
    return ", ".join([_NAMES.get(name, name), *((_KEPT | _THROUGH_PLANE)[suffix] for suffix in suffixes)])


def list_rivals(words: Sequence[str]) -> list[str]:
    """Return those of the methods that the others' gains are reported over."""
    return [rival for rival in RIVALS if rival in words]


def _choose_suffix(name: str) -> str:
    return "off" if name in METHODS and name != "net" else MODELS[0]
