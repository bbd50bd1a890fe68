"""The recipe of the shipped traits: expression, mask, age, gender and glasses."""
