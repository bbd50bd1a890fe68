"""From faces in a photo to upright crops; knows views and landmarks, and nothing of what a crop is used for."""

from mien.align.stage import Align
from mien.align.views import VIEWS, View, view

__all__ = ["VIEWS", "Align", "View", "view"]
