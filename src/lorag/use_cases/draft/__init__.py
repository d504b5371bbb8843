"""Questions drafted from the served documents, and their review by a person."""
