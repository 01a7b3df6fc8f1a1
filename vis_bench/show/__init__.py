"""What people read: tables, pages and charts made of records and of results.

In: records, results files, published figures. Out: text and pictures, byte for byte the same each
time.

`measured` and `leaderboard` every record; `paper_tables` a paper's table beside `published`
figures; `ms_sts_ablation` what MS-STS's parts add, from figures `over_seeds`; `speed`, `curves`,
`curve_chart`, `flops`, `kernels` and `speed_chart` cost; `evaluation` and
`compare_report` what `eval` and `compare` print; `report` an HTML page about one record or two;
`time_weights` what `figure time-weights` prints; `pages` the generated files of `results/`, of
which `headline` is the front page's table and `paper_pages` the papers' tables below each other;
`charts` is the style, the labels and the files of all charts; `figures` how a figure is printed.
"""
