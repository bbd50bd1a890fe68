"""From predictions to a plan of which photo goes into which folder; `mien.store.transfer` executes it."""

from mien.sorting.plan import Filing, Plan, plan

__all__ = ["Filing", "Plan", "plan"]
