"""Does P + alpha TG make a search cheaper than P? Searches by both, compared at equal cost (paper, section 4.2)."""
