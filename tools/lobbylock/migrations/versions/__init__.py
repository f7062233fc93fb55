"""The forms that stores have had, the oldest first."""
