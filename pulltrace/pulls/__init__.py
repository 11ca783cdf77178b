"""What a pull is, and how it is written down: pure data and pure functions, no input or output."""
