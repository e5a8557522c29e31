"""Matches processes with sessions, and measures the resources that they use.

`source` reads the system. The other modules perform no I/O: `identify` finds the agent of a
process, `evidence` collects evidence for sessions, `match` assigns one process to each session
(with `round`, `writers`, `match_by_cwd` and `outcome`), and `usage` sums the resources that the
process trees have used. No module here starts, ends or signals a process.
"""
