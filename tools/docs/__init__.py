"""The generated pages of the documentation: the code is their source.

    python -m tools.docs              # write them
    python -m tools.docs --check      # fail when one is out of date

They are in the repository, so that readers find them there, too.
"""
