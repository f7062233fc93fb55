"""What is written to a bare board: an official MicroPython image with our partition table and our files in it."""
