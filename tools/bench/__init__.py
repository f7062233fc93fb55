"""`make bench`: what a delivery costs, in instructions, bytes of heap and flash operations."""
