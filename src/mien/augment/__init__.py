"""Variants of faces: the methods there are, and policies that say which and how strongly; knows no file of photos."""
