"""Recipes tried on the same photos: trials, variants, and the choice of the best."""
