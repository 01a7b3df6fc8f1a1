"""Output for people: tables, pages and charts made of records and of results.

The same input gives the same bytes. `tables` is the model of all tables with its writers,
`number_format` the format of values; every other file or folder is a feature: `measured`,
`leaderboard`, `papers`, `gate`, `history`, `evaluation` (of `eval`), `compare`, `report`, `speed`,
`curves`, `flops`, `kernels`, `overlay`, `figures`.
"""
