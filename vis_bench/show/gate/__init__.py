"""The regression gate: current measurements against a baseline."""
