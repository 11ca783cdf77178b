"""The settings of each program: its flags, environment variables, defaults, and the object that its loops take."""
