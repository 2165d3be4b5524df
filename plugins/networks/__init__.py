"""The torch modules that architectures describe, and the networks that teach."""
