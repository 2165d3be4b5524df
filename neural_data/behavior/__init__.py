"""Behaviour of people and animals: data sets by name, tables and netCDF files of trials, and models scored by it."""
