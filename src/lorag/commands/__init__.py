"""The commands of `lorag`, grouped; each reads its options, calls one use case and shows the result."""
