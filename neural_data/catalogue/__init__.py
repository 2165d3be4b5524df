"""The catalogue: named data sets, where they come from, and their images."""
