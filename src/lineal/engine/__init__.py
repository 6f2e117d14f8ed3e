"""The loop: token derivatives at points of many paths, in batches that fit, for schedules that ask for more."""
