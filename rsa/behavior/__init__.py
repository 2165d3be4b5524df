"""Choices of people and models, and how alike their patterns of errors are: from trials or probabilities to a score."""
