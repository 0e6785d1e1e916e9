"""The processes that do the work: RQ workers, which are rung, and the sweeper, which keeps time."""
