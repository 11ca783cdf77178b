"""The pages of the documentation that are made from the code, so that they say what is true of it.

    python -m tools.docs              # write them again
    python -m tools.docs --check      # is any of them not what the code gives?

They are in the repository, so that they can be read there too.
"""
