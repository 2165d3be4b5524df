"""Speed and memory against peers and bare products, both sides in one run."""
