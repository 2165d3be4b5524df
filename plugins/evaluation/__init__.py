"""P, TG and score of a network (evaluator) or an architecture (objective), and finalists (paper, section 3.2)."""
