"""Data sets, recipes and the trainer."""
