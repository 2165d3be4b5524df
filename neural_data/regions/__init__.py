"""Regions: responses of a recording's neuroids to conditions, and the RDMs of these."""
