"""The commands of `lorag` by group; each reads its options, calls one use case and shows the result."""
