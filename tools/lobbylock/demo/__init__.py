"""The demonstration: the real firmware at a virtual door, with a real broker and a real collector."""
