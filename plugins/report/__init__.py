"""Reports of a search: summary, page, and the view while it runs."""
