"""Trials: recipes tried on the same photos, compared, and the best one chosen."""
