"""From predictions to a plan of which photo goes into which folder; carrying it out is the journal's work."""

from mien.sort.earlier import Earlier, earlier, new_journal, settle
from mien.sort.plan import Filing, Plan, plan

__all__ = ["Earlier", "Filing", "Plan", "earlier", "new_journal", "plan", "settle"]
