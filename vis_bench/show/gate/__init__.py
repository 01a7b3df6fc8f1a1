"""The regression gate, against a baseline or over commits: which figures moved, and where first."""
