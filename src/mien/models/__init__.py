"""What weights are and where they live: cards, conversion, the cache; knows no face and no photo."""

from mien.models.adopt import Added, add
from mien.models.cards import CARDS, Card, Input, card
from mien.models.fetch import pull
from mien.models.inventory import holdings, verify
from mien.models.sessions import session
from mien.models.weights import Terms, ensure, identity, present, terms_of

__all__ = [
    "CARDS",
    "Added",
    "Card",
    "Input",
    "Terms",
    "add",
    "card",
    "ensure",
    "holdings",
    "identity",
    "present",
    "pull",
    "session",
    "terms_of",
    "verify",
]
