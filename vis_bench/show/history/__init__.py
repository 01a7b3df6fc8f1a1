"""Figures over commits: which of them moved, and at which commit first."""
