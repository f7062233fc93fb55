import sys
from pathlib import Path

from lobbylock import house

sys.path.insert(0, str(Path(__file__).parent))
house.open_path()
