"""The commands that measure a missing figure."""

COMPARE = "lorag compare"
TIMELINE = "lorag timeline"
UPDATE = "change a document, then lorag refresh and lorag retrain"
STYLE = "fill knowledge.style and set `training_set.style: true`, then lorag retrain and lorag compare"

CHANGE_OF_STOP = "write `phrasings` for the questions or loosen the limit, or run `lorag retrain --anyway`"
"""What lets a retrain go on that its forecast stopped."""
