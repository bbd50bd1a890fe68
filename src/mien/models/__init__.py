"""What weights are and where they live: cards, conversion, the cache; knows no face and no photo.

Fetching, adopting and listing weights are asked for by name (`mien.models.fetch`, `.adopt`, `.inventory`): only one
verb needs them, and every run would pay for loading them.
"""

from mien.models.cards import CARDS, Card, Input, card
from mien.models.sessions import session
from mien.models.weights import Terms, ensure, identity, present, terms_of

__all__ = ["CARDS", "Card", "Input", "Terms", "card", "ensure", "identity", "present", "session", "terms_of"]
