"""Reads and decodes the new records of a source. This package does not depend on any agent.

A *source* is a transcript file or a database. A *cursor* is the position after the last record that
was read. A *parser* interprets the records of one file format of one agent (see `parsers`). The
functions `jsonl.read_jsonl`, `documents.read_document` and `sqlite.read_sqlite` read a source from
a cursor, pass its records to a parser, and return a `Batch`. A `Batch` contains the events, the
sessions, the counted errors and the new cursor.
"""
