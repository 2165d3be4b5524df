"""Speed against peers, and tests of the claims made for teachers."""
