"""`repoint`: what to change in the sources of an old program."""
