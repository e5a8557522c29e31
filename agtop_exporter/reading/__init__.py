"""Finds what is new in a source since a cursor, and decodes it. Knows no agent.

A *parser* of an agent holds the meaning of its format (`parsers`). The functions that run a parser
own everything else: cursors, reader state, decoding errors and batches. They are
`jsonl.read_jsonl`, `documents.read_document` and `sqlite.read_sqlite`.
"""
