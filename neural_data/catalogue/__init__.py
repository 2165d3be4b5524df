"""The catalogue: data sets by name, where they come from, and their images."""
