"""Readers, one file per format; `catalogue/lookup.py` recognises a file (`content_of`) and calls its reader
(`_read`)."""
