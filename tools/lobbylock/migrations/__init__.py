"""How a store of an older form becomes one of today's: one file in versions/ for each change of tables.py."""
