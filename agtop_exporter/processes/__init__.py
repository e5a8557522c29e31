"""Which process is which session, and what it costs the machine.

`source` reads the system; everything after it is pure: `recognise` (which agent is this),
`evidence` (what speaks for a session), `match` (one process per session), `usage` (what its
process tree used). Nothing here ends, signals or starts a process.
"""
