"""What proposes the next architecture."""
