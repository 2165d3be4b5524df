"""Pictures by matplotlib: RDMs, similarities over layers, maps; for notebooks, files and the SVG of pages alike."""
