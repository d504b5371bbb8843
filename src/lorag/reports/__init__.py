"""The layout for readers: pages, sections and plots."""
