"""Naming faces by their vectors or pixels; knows neither photos nor how a head was trained."""

from mien.classify.stage import TOP, Classify, predicted, stacked

__all__ = ["TOP", "Classify", "predicted", "stacked"]
