"""Running all of Restock on one machine, with nothing else installed.

This file must stay empty of imports: the first-run installer imports the package before anything is installed.
"""
