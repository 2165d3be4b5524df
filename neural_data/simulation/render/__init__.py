"""Rendered images of 64 objects: meshes, a software renderer, and backgrounds."""
