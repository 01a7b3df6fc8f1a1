"""What people read: tables, pages and charts made of records and of results.

In: records, results files, published figures. Out: text and pictures, byte for byte the same each
time.

`measured` and `leaderboard` every record; `paper_tables` a paper's table beside `published`
figures; `speed`, `curves`, `flops`, `kernels` and `charts` cost; `evaluation` and `compare_report`
what `eval` and `compare` print; `pages` the generated files of `results/`; `figures` how a figure
is printed.
"""
