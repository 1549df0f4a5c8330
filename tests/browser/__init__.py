"""Runbooks as an operator meets them: in JupyterLab, in a browser."""
