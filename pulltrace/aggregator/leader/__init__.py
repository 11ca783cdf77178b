"""The leader's work: the agents' report interval, and Events of pods."""
