"""The commands of this package; the `tgsage` program finds them by entry point."""
