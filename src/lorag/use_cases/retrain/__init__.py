"""The retrain, by which adapters follow the knowledge."""
