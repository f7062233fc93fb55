# Installs the named Debian packages that are missing, where that is possible without asking anybody: root on Debian.
# Elsewhere one line says what is missing, and the tests that need it are skipped; under CI=true they fail.
set -u

missing=""
for name in "$@"; do
    PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v "$name" >/dev/null || missing="$missing $name"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "Left out, since not installed:$missing"
    exit 0
fi
echo "Installing$missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # one word per package
if ! { apt-get -qq update && apt-get -qq install -y --no-install-recommends $missing; } >build/apt.log 2>&1 </dev/null; then
    tail -n 5 build/apt.log >&2
    echo "Left out, since apt-get could not install it:$missing"
fi
