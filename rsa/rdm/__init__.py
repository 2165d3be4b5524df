"""RDMs: computed from features, and two of them compared (paper, section 3.1)."""
