"""Everything laid out for a reader: pages, sections and plots."""
