"""Whether intervals, recordings and searchers behave as they should."""
