"""The commands `tgsage bench` and `tgsage teacher compare`."""
