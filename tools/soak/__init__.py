"""Long runs of what carries events: client, uplink and collector over a line that fails in every way."""
