"""The regression gate: what is measured now against a baseline.

In: records, or a baseline file made of them. Out: which figure moved, and whether that fails.

`baseline` what is compared; `rules` when a figure has moved; `verdict` the whole comparison and
its report.
"""
