"""The chips and parts that are wired to the ESP32, one file each."""
