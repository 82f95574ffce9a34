"""What the panel's lists offer: names are kept in scenes, values go to the package, labels are read by people."""

from __future__ import annotations

import enum


class Labelled(enum.Enum):
    """A choice whose value is what the package takes and what people read."""

    def label(self) -> str:
        """The text in the list."""
        return str(self.value[1])

    @property
    def word(self) -> str:
        """What `metasrgan` calls it."""
        return str(self.value[0])


class Resolution(Labelled):
    """How the result's resolution is told."""

    ISOTROPIC = ("isotropic", "Make isotropic")
    SCALE = ("scale", "Scale factor")
    SPACING = ("spacing", "Pixel size")
    SLICES = ("slice_spacing", "Slice spacing")

    @property
    def refines_slices(self) -> bool:
        """Whether slices are made finer."""
        return self in (Resolution.ISOTROPIC, Resolution.SLICES)


class Axis(Labelled):
    """Which slices are upscaled, by the volume's own axes."""

    AUTO = ("auto", "Automatic: finest plane")
    AXIAL = ("axial", "Axial")
    CORONAL = ("coronal", "Coronal")
    SAGITTAL = ("sagittal", "Sagittal")


class Method(Labelled):
    """How slices are upscaled."""

    NETWORK = ("net", "Network (Meta-SRGAN)")
    BSPLINE = ("bspline", "B-spline interpolation")
    ZEROFILL = ("zerofill", "Zero-filling (sinc)")


class Pixels(Labelled):
    """What of the stored pixels was measured: what the network starts from."""

    ACQUIRED = ("auto", "As acquired (automatic)")
    STORED = ("stored", "As stored")


class Consistency(Labelled):
    """Whether what was measured is kept, and by which model of acquisition."""

    KSPACE = ("kspace", "Kept: k-space, for scans")
    MEAN = ("mean", "Kept: means, for averaged images")
    PROFILE = ("profile", "Kept: through the plane too")
    OFF = ("off", "Not kept")


class SliceProfile(Labelled):
    """How the parts of a slice's thickness were weighed when it was measured."""

    SMOOTHED_BOX = ("smoothed_box", "Box with soft edges")
    GAUSSIAN = ("gaussian", "Gaussian")
    BOX = ("box", "Box")


class Weights(Labelled):
    """Which weights the network takes."""

    AUTO = ("", "Automatic: by what is kept")
    # The default's name in scenes that older versions saved.
    L1 = AUTO
    GAN = ("gan", "Adversarial: sharper")
    OWN = ("own", "Your own file or MONAI bundle")
