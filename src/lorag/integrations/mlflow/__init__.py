"""MLflow: runs, registry, traces and the ledger read from them."""
