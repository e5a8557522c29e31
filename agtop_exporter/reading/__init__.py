"""Reads the new records of a source and decodes them. Nothing here depends on an agent.

A *source* is a transcript file or a database. A *cursor* is the position after the last record that
was read. A *parser* is a class of an agent that interprets the records of one format (`parsers`).
`jsonl.read_jsonl`, `documents.read_document` and `sqlite.read_sqlite` read a source from a cursor,
run a parser and return a `Batch`. They handle cursors, reader state and decoding errors.
"""
