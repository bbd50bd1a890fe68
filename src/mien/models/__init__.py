"""What weights are and where they live: cards, conversion, the cache; knows no face and no photo."""

from mien.models.cards import CARDS, Card, Input, card
from mien.models.sessions import session
from mien.models.weights import ensure, identity, present

__all__ = ["CARDS", "Card", "Input", "card", "ensure", "identity", "present", "session"]
