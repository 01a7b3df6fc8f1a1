"""Output for people: tables, pages and charts made of records and of results.

The same input gives the same bytes. Every file or folder is a feature: `measured`, `leaderboard`,
`papers`, `gate`, `history`, `evaluation` (of `eval`), `compare`, `report`, `speed`, `curves`,
`flops`, `kernels`, `overlay`, `figures`.
"""
