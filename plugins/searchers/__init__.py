"""Searchers: what proposes the next architecture, one algorithm per file; searcher.py says how to add one."""
