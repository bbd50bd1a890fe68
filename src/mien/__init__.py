"""From a folder of photos to a measured, running face classifier."""

__version__ = "0.1.0"
