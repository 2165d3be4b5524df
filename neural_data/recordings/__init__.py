"""Recordings: their schema, averages and neuroids; `readers` has one file per format."""
