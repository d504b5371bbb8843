"""One outside system each: translates its types and errors, decides nothing."""
