"""Searching: explorer, workers, and the tracker that keeps every candidate."""
