"""Recordings with time bins: windows, their RDMs and reliability, models compared in each of them, generalisation."""
