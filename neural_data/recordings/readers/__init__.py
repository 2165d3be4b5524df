"""One file per format of recording."""
