"""Matches processes with sessions, and measures the resources that they use.

`source` reads the system. The other modules perform no I/O: `identify` finds the agent of a
process, `evidence` collects evidence that a process runs a session, `match` assigns one process to
each session, and `usage` sums the resources that the process trees have used. `round`, `writers`,
`match_by_cwd` and `outcome` are parts of `match`. No module of this package starts, ends or signals
a process.
"""
