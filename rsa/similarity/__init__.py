"""Similarities of features that need no RDM: CKA, CCA, Procrustes, ridge predictivity."""
