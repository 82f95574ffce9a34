"""What a request asks for: MONAI Label's flat dictionary in, checked values out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from metasrgan.errors import UsageError
from metasrgan.networks.weights import SHIPPED
from metasrgan.upscaling.client import PARAMETERS, SUFFIXES
from metasrgan.upscaling.pipeline import Settings, check_asked

# What MONAI Label itself and its clients put beside our parameters. The device is the server's choice, not theirs.
_HOUSEKEEPING = (
    *("model", "image", "images", "label", "description", "session", "caller", "_id", "_image_id", "bundle_path"),
    *("save_label", "label_tag", "device", "multi_gpu", "gpus", "max_workers", "max_batch_size", "logging", "timeout"),
)


@dataclass(frozen=True)
class Asked:
    """How to upscale one volume: the command line's flags of the same names, checked.

    Attributes:
        scale, spacing: exactly one is given; the scale as text, since the report says how it was written.
        axis, method, dtype, clip: as for `metasrgan.upscale`.
        weights: a name of `metasrgan.networks.weights.SHIPPED`, never a path; ``--model`` on the command line.
        result_extension: a name of `metasrgan.upscaling.client.SUFFIXES`.
    """

    scale: str | None = None
    spacing: float | None = None
    axis: str | int = "auto"
    method: str = "net"
    weights: str = "l1"
    dtype: str = "input"
    clip: str = "input"
    result_extension: str = ".nii.gz"

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> Asked:
        """Take a request's parameters; None means that one is not given.

        Raises:
            UsageError: an unknown parameter, or a value that makes no sense for any volume.
        """
        for name in request:
            if name not in PARAMETERS and name not in _HOUSEKEEPING:
                raise UsageError(f"parameter {name!r} is unknown; choose from {', '.join(PARAMETERS)}")
        given = {name: request[name] for name in PARAMETERS if request.get(name) is not None}
        for name, value in given.items():
            if isinstance(value, bool) or not isinstance(value, (str, int, float)):
                raise UsageError(f"{name} {value!r} is neither a text nor a number; choose another value")
        if "scale" in given:
            given["scale"] = str(given["scale"])
        if "spacing" in given:
            given["spacing"] = _number("spacing", given["spacing"])
        asked = cls(**given)
        for name, known in (("weights", tuple(SHIPPED)), ("result_extension", SUFFIXES)):
            if getattr(asked, name) not in known:
                raise UsageError(f"{name} {getattr(asked, name)!r} is unknown; choose from {', '.join(known)}")
        check_asked(asked.scale, asked.spacing, asked.axis)
        Settings(asked.method, dtype=asked.dtype, clip=asked.clip)
        return asked

    @property
    def target(self) -> dict[str, str]:
        """The target as it was asked for, as a report says it."""
        return {name: str(value) for name in ("scale", "spacing") if (value := getattr(self, name)) is not None}


def _number(name: str, value: str | float) -> float:
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise UsageError(f"{name} {value!r} is not a number; give millimetres, such as 0.5") from None
