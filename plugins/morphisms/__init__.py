"""Network morphisms: changes of an architecture after which its network, with its weights, computes what it did."""
