"""Naming faces by their vectors; knows neither pictures nor how a head was trained."""

from mien.classify.stage import TOP, Classify, predicted

__all__ = ["TOP", "Classify", "predicted"]
