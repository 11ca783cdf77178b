"""What only the leader does: the report interval of agents, and Events of pods."""
