"""Pages made of result files."""
