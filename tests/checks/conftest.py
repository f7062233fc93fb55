"""A small tree to plant violations in."""

import pytest


@pytest.fixture
def tree(tmp_path):
    """`tree({path: text, ...})` writes the files and returns the root they lie in."""

    def plant(files):
        for path, text in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text, "utf-8")
        return tmp_path

    return plant
