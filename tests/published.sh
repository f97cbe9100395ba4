# shellcheck shell=bash
# Compose files that others published, to be read in tests: those in the source package of docker-compose, under the Apache
# License 2.0, as PyPI has it. They are fetched and not copied here. Sourced by test.sh.

PUBLISHED_FILES=docker-compose==1.29.2

published_files_are_there() { [ "$(cat "$1/fetched.txt" 2>/dev/null)" = "$PUBLISHED_FILES" ]; }

# fetch_published_files FOLDER PIP. Chained, because a step may let it run on past what failed.
fetch_published_files() {
    rm -rf "$1" && mkdir -p "$1" &&
        # pip wants to know what the package needs, and asks its setup.py, which needs what newer setuptools lack.
        echo 'setuptools<75' >"$1/constraints.txt" &&
        PIP_CONSTRAINT=$1/constraints.txt "$2" download --quiet --disable-pip-version-check --no-deps \
            --no-binary docker-compose --dest "$1" "$PUBLISHED_FILES" &&
        tar xzf "$1"/docker-compose-*.tar.gz -C "$1" &&
        echo "$PUBLISHED_FILES" >"$1/fetched.txt"
}
