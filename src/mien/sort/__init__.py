"""From predictions to a plan of which photo goes into which folder; carrying it out is the journal's work."""

from mien.sort.plan import Filing, Plan, plan

__all__ = ["Filing", "Plan", "plan"]
