"""Our searchers and spaces inside other people's search loops."""
