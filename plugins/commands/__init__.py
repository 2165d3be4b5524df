"""The commands of this layer; the `tgsage` program finds them by entry point."""
