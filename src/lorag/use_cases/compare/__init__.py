"""The comparison, in which all strategies answer the same questions."""
