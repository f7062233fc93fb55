from lobbylock import house

# Where the modules that host and lock share are.
house.open_path()
