"""What `make check` holds the sources to: `python -m checks` in the repository's root."""
