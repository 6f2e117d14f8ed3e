"""Many texts on disk: a job says what is asked of which rows, a plan which rows each shard has, a driver sees to it that all are there."""
