"""Weights: what is known of them (cards), finding and converting them, and running them.

Downloading, adding and listing weights (`mien.models.download`, `.inventory`) are not imported here: only one verb
needs them, and every run would pay for loading them.
"""

from mien.models.cards import (
    APPEARANCE_EMBEDDER,
    CARDS,
    EMBEDDER_SEPARATOR,
    IDENTITY_EMBEDDER,
    Card,
    InputSpec,
    get_card,
    own_card,
    own_names,
)
from mien.models.sessions import session
from mien.models.weights import LicenceTerms, ensure, identity, is_available, licence_terms

__all__ = [
    "APPEARANCE_EMBEDDER",
    "CARDS",
    "EMBEDDER_SEPARATOR",
    "IDENTITY_EMBEDDER",
    "Card",
    "InputSpec",
    "LicenceTerms",
    "ensure",
    "get_card",
    "identity",
    "is_available",
    "licence_terms",
    "own_card",
    "own_names",
    "session",
]
