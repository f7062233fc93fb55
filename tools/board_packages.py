"""Installs micropython-lib packages from the package index into a folder, through pipkin.

    python tools/board_packages.py FOLDER REQUIREMENTS

pipkin asks the index for addresses without a closing slash and gets a redirect. The index is free to answer with 308,
which urllib follows from Python 3.11 on only, so that is added here for Python 3.10.

pipkin also keeps an environment of its own in the user's cache, with links into whichever Python made it first. A
clone that is removed would break it for all others, so each run gets a cache of its own.
"""

import os
import sys
import tempfile
from urllib.request import HTTPRedirectHandler, build_opener, install_opener

import pipkin


class _PermanentRedirect(HTTPRedirectHandler):
    """Treats 308 like 301: everything pipkin sends is a GET."""

    def http_error_308(self, req, fp, code, msg, headers):
        return self.http_error_301(req, fp, 301, msg, headers)


def install(folder: str, requirements: str) -> int:
    """Returns pipkin's exit code after installing the packages listed in the file `requirements` into `folder`."""
    install_opener(build_opener(_PermanentRedirect))
    with tempfile.TemporaryDirectory(prefix="pipkin-") as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        return pipkin.main(["--dir", folder, "install", "--no-mp-org", "-r", requirements]) or 0


if __name__ == "__main__":
    sys.exit(install(sys.argv[1], sys.argv[2]))
