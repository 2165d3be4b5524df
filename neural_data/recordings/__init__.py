"""Recordings: their form, averages over repeats, and selection and scaling of neuroids."""
