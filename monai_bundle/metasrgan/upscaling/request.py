"""What may be asked of an upscaling: one request, whichever door it comes through.

A *request* is checked once when it is made, before any volume is read; what only a volume can tell, `plan` checks
against it. The command line makes its flags, a server its parameters and a report what was asked of the fields
below: a new ability is a field here and an engine that heeds it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from fractions import Fraction
from functools import cached_property
from typing import Any, Self

import numpy as np

from ..errors import UsageError, quote
from ..geometry.grid import check_scale
from ..geometry.orientation import check_axis
from ..geometry.scale import Scale
from ..geometry.target import Grid
from ..image import interpolation
from ..image.slice_profile import PROFILES
from ..networks.devices import check_device
from ..networks.weights import SHIPPED
from ..trust.consistency import MODELS
from . import values

METHODS = ("net", *interpolation.METHODS, "labels")
# Those that blend nothing: every voxel has one of the input's values.
LABEL_METHODS = ("nearest", "labels")
DTYPES = ("input", "float32")
CLIPS = ("soft", "input", "none")
# Models of acquisition by which what was measured is kept in plane; through the plane too; and none of them.
CONSISTENCIES = (*MODELS, "profile", "off")
# Of these exactly one is asked for, or a slice spacing, alone or beside one of the first two: they say how fine the
# result is.
TARGETS = ("scale", "spacing", "isotropic", "like")
# What has a meaning only where slices are made finer.
_OF_SLICES = ("slice_thickness", "slice_profile", "passes")
# Cuts through a volume, across its slices: along one of the fine axes, or along both, averaged.
DEFAULT_PASSES = 2


def _ask(
    default: Any,
    about: str,
    *,
    flag: str | None = None,
    kind: type = str,
    choices: Sequence[str] = (),
    to_server: bool = True,
    in_report: bool = False,
    bare: bool = False,
) -> Any:
    """A field of `Request`.

    Args:
        default: what holds where nothing is asked.
        about: the command line's help.
        flag: on the command line, where it is another word than the field's.
        kind: of what is written behind the flag.
        choices: the words it may be; none for any.
        to_server: whether a client may ask a server for it.
        in_report: whether a report has an entry of its own for it, so that its "Asked" need not say it again.
        bare: whether the flag may stand without a value, which is True then.
    """
    metadata = {"about": about, "flag": flag, "kind": kind, "choices": tuple(choices), "bare": bare}
    return field(default=default, metadata=metadata | {"to_server": to_server, "in_report": in_report})


@dataclass(frozen=True)
class Request:
    """How to upscale a volume.

    Attributes:
        scale: r, a number or text such as "4/3", kept as an exact `Scale`: floor(n*r) voxels of exactly spacing/r, the
            first voxel's outer edge kept.
        spacing: mm: round(n*r) voxels of exactly this size in plane, centred on the same field of view.
        isotropic: mm: voxels of this size along all three axes, centred likewise: slices are made finer, and the plane
            finer or, where its pixels are smaller, averaged down. True takes the finest in-plane spacing.
        slice_spacing: mm: slices are made finer, so far apart; alone, or beside scale or spacing in plane.
        slice_thickness: mm, full width at half maximum of the profile that slices were measured with; None for what
            the volume's sidecar says, else for slices that touch.
        slice_profile: across a slice's thickness: "smoothed_box" (as selective pulses give), "gaussian" or "box".
        passes: 2 cuts the volume along both axes of the plane and averages, 1 along one of them only; None for 2.
        like: a reference whose grid the result has exactly; or its file's name, until a door has read it.
        acquired: what of the stored pixels was measured. "auto" takes those that the scanner acquired, where the scan's
            spectrum is sure that it interpolated them, for the method "net"; "stored" takes the stored ones; two sizes
            in mm, along the first and the second axis of the plane, as text such as "0.9,1.2", are taken as they are.
        frame: of a series, which volume alone, counted from 0; None for every one.
        axis: along which slices are taken; see `metasrgan.geometry.orientation.choose_slice_axis`.
        method: "net", or an interpolation: "bspline", "bicubic", "linear", "zerofill" (sinc, the scanners' own). For
            label maps "nearest", which picks voxels, and "labels", which draws each label's boundary smoothly.
        consistent: what was measured is put back, whatever the method, in plane: "kspace" for scans, "mean" for images
            that were averaged down, "off". None for "kspace", and where voxels are no intensities of a scan "off".
            "profile" as "kspace", and through the plane too, by slice_profile: a wrong one costs more than a right one
            gains.
        shoulder: for "kspace": a part of the measured band, at its edge, over which what was measured gives way to what
            the method made of it: 0 keeps all; 0.1 halves what is left of ringing at sharp edges.
        weights: for "net": of `metasrgan.networks.weights.SHIPPED`, a file of weights or a bundle's folder; None for
            those that are best with what ``consistent`` is.
        device: for "net": "auto", "cpu", "cuda", "cuda:N" or "mps".
        dtype: "input" keeps the voxel type (integers rounded, and clipped to its range), or "float32".
        clip: "soft" clips to the input's lowest and highest value and then puts back what was measured, so that little
            is left outside; "input" clips last, which takes a little of what was measured away again; "none" does not
            clip. None for "soft", and where nothing is put back "input".
        fill: what NaN and infinite voxels become before anything else: a number, or "lowest" for the lowest value of
            the tissue; None refuses them.

    Raises:
        UsageError: none or several of what says how fine, or a value that makes sense for no volume.
    """

    scale: Scale | Fraction | float | str | None = _ask(
        None, "factor, such as 2, 1.37 or 4/3: floor(n*r) voxels of exactly spacing/r"
    )
    spacing: float | None = _ask(None, "in-plane voxel size in mm, centred on the same field of view", kind=float)
    isotropic: bool | float | None = _ask(
        None, "voxels of this size in mm along all axes (default: the finest in-plane spacing)", kind=float, bare=True
    )
    slice_spacing: float | None = _ask(None, "mm from slice to slice: slices are made finer", kind=float)
    slice_thickness: float | None = _ask(
        None, "mm, of the input's slices (default: of a BIDS sidecar, else their spacing)", kind=float
    )
    slice_profile: str = _ask(
        PROFILES[0], f"across a slice: {PROFILES[0]} (default), {', '.join(PROFILES[1:])}", choices=PROFILES
    )
    passes: int | None = _ask(
        None, f"cuts across the slices: 1, or 2 averaged (default: {DEFAULT_PASSES})", kind=int, in_report=True
    )
    like: Grid | str | None = _ask(None, "a volume whose grid to match exactly", to_server=False)
    acquired: str | Sequence[float] = _ask(
        "auto",
        "pixels that were measured: auto (default: by the scan's spectrum, for the net), stored, or sizes in mm along "
        "the plane's two axes, such as 0.9,1.2",
        in_report=True,
    )
    frame: int | None = _ask(
        None,
        "of a file with several volumes, which one alone, counted from 0 (default: every one)",
        flag="--volume",
        kind=int,
    )
    axis: str | int = _ask(
        "auto",
        "slices along: auto (one voxel, else coarsest spacing), sagittal, coronal, axial, 0, 1, 2",
        in_report=True,
    )
    method: str = _ask(
        "net",
        f"net (default), {', '.join(METHODS[1:-2])}; for label maps {' or '.join(LABEL_METHODS)}",
        choices=METHODS,
        in_report=True,
    )
    consistent: str | None = _ask(
        None,
        "what was measured is put back: kspace (default, for scans), mean (for images averaged down), "
        "profile (kspace, and through the plane by --slice-profile) or off",
        choices=CONSISTENCIES,
        in_report=True,
    )
    shoulder: float = _ask(
        0.0,
        "taper: the part of the band's edge that gives way to the method's, against ringing: 0 (default) … 1",
        kind=float,
    )
    weights: str | None = _ask(
        None,
        f"shipped weights, {', '.join(SHIPPED)} (default: by --consistent); a file of weights; or a bundle's folder",
        flag="--model",
        in_report=True,
    )
    device: str = _ask("auto", "auto (default), cpu, cuda, cuda:N or mps", to_server=False, in_report=True)
    dtype: str = _ask("input", "input (default: keep the voxel type) or float32", choices=DTYPES, in_report=True)
    clip: str | None = _ask(
        None,
        "to the input's range: soft (default: but what was measured is put back), input (wholly) or none",
        choices=CLIPS,
        in_report=True,
    )
    fill: float | str | None = _ask(
        None, f"what NaN and infinite voxels become: a number, or {values.LOWEST} (of the tissue)"
    )

    def __post_init__(self) -> None:
        """Refuse what makes sense for no volume."""
        self._check_words()
        self._set("acquired", values.read_acquired(self.acquired))
        self._set("fill", values.read_fill(self.fill))
        self._check_target()
        if self.like is not None:
            self._set("like", values.read_reference(self.like))
        self._set("shoulder", values.read_shoulder(self.shoulder))
        if self.frame is not None:
            self._set("frame", values.read_whole_number("frame", self.frame, "a volume's number, counted from 0"))
        check_axis(self.axis)
        check_device(self.device)
        if not isinstance(self.axis, str):
            self._set("axis", int(self.axis))
        self._set("device", str(self.device))
        if self.weights is not None:
            self._set("weights", str(self.weights))
        self._check_choices()

    def _set(self, name: str, value: Any) -> None:
        """Give a field, which is frozen, what its value is taken for."""
        object.__setattr__(self, name, value)

    def _check_words(self) -> None:
        """Refuse words that are unknown, and numbers that Python does not write."""
        for each in fields(self):
            known, value = each.metadata["choices"], getattr(self, each.name)
            values.check_length(each.name, value)
            if known and value is not each.default:
                values.check_word(each.name, value, known)

    def _check_choices(self) -> None:
        """Refuse what the method, or what is kept, does not heed."""
        if self.shoulder and (self.consistent in ("mean", "off") or self.is_for_labels):
            what = f"method {self.method!r}" if self.is_for_labels else f"consistent {self.consistent!r}"
            raise UsageError(f"shoulder {self.shoulder:g}: {what} has no band; leave one of them out")
        if self.is_for_labels and self.acquired_sizes is not None:
            raise UsageError(
                f"acquired {self.acquired}: method {self.method} picks stored voxels, and cannot start from others; "
                "leave it out, or choose another method"
            )
        if self.is_for_labels and self.consistent not in (None, "off"):
            raise UsageError(
                f"consistent {self.consistent!r}: method {self.method} picks voxels, and nothing can be added to them; "
                "leave it out, or choose another method"
            )

    def _check_target(self) -> None:
        """Refuse what does not say how fine the result is, in one way and in sizes."""
        if isinstance(self.isotropic, (bool, np.bool_)):
            self._set("isotropic", True if self.isotropic else None)
        given = [name for name in TARGETS if getattr(self, name) is not None]
        alone = not given and self.slice_spacing is not None
        if len(given) != 1 and not alone:
            raise UsageError(
                f"give exactly one of scale, spacing, isotropic and like (given: {', '.join(given) or 'none'}), or a "
                "slice_spacing"
            )
        if self.slice_spacing is not None and given and given[0] not in ("scale", "spacing"):
            raise UsageError(
                f"slice_spacing {self.slice_spacing}: {given[0]} says already how fine the slices are; leave one out"
            )
        self._read_sizes()
        self._check_slices()

    def _read_sizes(self) -> None:
        """Take numbers for what says how fine the result is, and how thick the slices are."""
        if self.scale is not None:
            if not isinstance(self.scale, Scale):
                self._set("scale", Scale(self.scale))
            check_scale(float(self.scale), self.may_stay)
        for name in ("spacing", "isotropic", "slice_spacing", "slice_thickness"):
            value = getattr(self, name)
            if value is not None and not (name == "isotropic" and value is True):
                self._set(name, values.read_millimetres(name, value))

    def _check_slices(self) -> None:
        """Refuse what is said of slices that are made finer where it makes no sense, or none are."""
        if self.passes is not None:
            self._set("passes", values.read_passes(self.passes))
        if not self.may_refine_slices:
            pointless = [name for name in _OF_SLICES if getattr(self, name) != DEFAULTS[name]]
            pointless += ["consistent"] if self.consistent == "profile" else []
            if pointless:
                raise UsageError(
                    f"{pointless[0]} {getattr(self, pointless[0])}: is for slices that are made finer; give isotropic "
                    "or a slice_spacing, or leave it out"
                )

    @property
    def may_refine_slices(self) -> bool:
        """Whether slices may be made finer; what a reference asks for, its grid says."""
        return self.isotropic is not None or self.slice_spacing is not None or self.like is not None

    @property
    def needs_finite(self) -> bool:
        """Whether no voxel of a file may be NaN or infinite: none is filled, and every volume in it is wanted."""
        return self.fill is None and self.frame is None

    @property
    def is_for_labels(self) -> bool:
        """Whether nothing is blended, and every voxel has one of the input's values."""
        return self.method in LABEL_METHODS

    @property
    def may_stay(self) -> bool:
        """Whether the result's pixels need be no finer than the stored ones: fewer may have been acquired."""
        return self.acquired_sizes is not None or (self.acquired == "auto" and self.method == "net")

    @property
    def acquired_sizes(self) -> tuple[float, float] | None:
        """The sizes in mm that were asked for of acquired pixels, along the two axes of the plane; None for none."""
        return None if self.acquired in values.ACQUIRED else values.read_acquired_sizes(str(self.acquired))

    @cached_property
    def asked(self) -> dict[str, str]:
        """What was asked for and nothing else in a report says, as it was written, such as ``{"scale": "4/3"}``."""
        asked = {each.name: getattr(self, each.name) for each in fields(self) if not each.metadata["in_report"]}
        texts = {name: value.name if isinstance(value, Grid) else str(value) for name, value in asked.items()}
        return {name: text for name, text in texts.items() if asked[name] != DEFAULTS[name]}

    def to_json(self) -> dict[str, Any]:
        """Return what was asked for as JSON's types, defaults left out; `from_json` makes the same request of it."""
        found: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, Grid):
                found[each.name] = {"shape": list(value.shape), "affine": value.affine.tolist(), "name": value.name}
            elif value is not None and value != each.default:
                found[each.name] = str(value) if isinstance(value, Fraction) else value
        return found

    @classmethod
    def from_json(cls, parameters: Mapping[str, Any]) -> Self:
        """Take a request from JSON; null means that one is not given.

        Raises:
            UsageError: an unknown name, or a value that makes no sense.
        """
        if not isinstance(parameters, Mapping):
            raise UsageError(f"parameters {quote(parameters)}: no values by the names of what may be asked")
        for name in parameters:
            if name not in DEFAULTS:
                raise UsageError(f"parameter {name!r} is unknown; choose from {', '.join(DEFAULTS)}")
        return cls(**{name: values.read_json(name, value) for name, value in parameters.items() if value is not None})


# Of each field, what holds where nothing is asked.
DEFAULTS = {each.name: each.default for each in fields(Request)}


def list_fields(to_server: bool = False) -> list[str]:
    """Return the names of what may be asked, in order.

    Args:
        to_server: only those that a client may ask a server for.
    """
    return [each.name for each in fields(Request) if each.metadata["to_server"] or not to_server]
