"""What was measured, as files: one typed record per cell.

In: the fields that measurements return, and records or results files of other code. Out: records,
read and checked once, and how they are called, ordered and trusted.

`schema` the fields; `store` files; `metrics` titles, units and digits of the figures; `cell_name`
and `labels` what a cell is called; `caveats` why a record takes no rank or is not compared with a
paper; `ablation` which records compare a method with itself; `machine` and `source` where it ran;
`other_code` records of other code's results.
"""
