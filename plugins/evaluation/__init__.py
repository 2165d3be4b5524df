"""The evaluator: from an architecture to P, TG and their score (paper, section 3.2)."""
