"""Meta-SRGAN: super-resolve brain MRI in plane, at any scale."""

__version__ = "0.1.0"
