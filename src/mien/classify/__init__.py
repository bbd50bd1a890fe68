"""Naming faces by their vectors or pixels; knows neither photos nor how a head was trained."""

from mien.classify.stage import TOP, Classify, Silence, predicted, stacked

__all__ = ["TOP", "Classify", "Silence", "predicted", "stacked"]
