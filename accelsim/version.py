"""The version of this package, which results keep."""

__version__ = "0.1.0"
