"""`doctor`: checks everything that the proxy needs, and says what to do if something is wrong."""
