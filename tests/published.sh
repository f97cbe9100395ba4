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

# What compose files are compared with beside this Debian's docker-compose, out of the archive of Debian 13: docker-compose 2.26,
# and the source of the library that it reads compose files with, under the Apache License 2.0. Only for the processors that it
# is pinned for.
COMPOSE_MIRROR=https://deb.debian.org/debian/pool/main
COMPOSE_2=docker-compose_2.26.1-4
COMPOSE_GO=golang-github-compose-spec-compose-go_2.4.8.orig.tar.xz
COMPOSE_GO_SHA256=c27a82c10814eac914508ddb7bc45f094da3f15e4927707d2c5292b944b92b39

# compose_2_sha256 ARCHITECTURE
compose_2_sha256() {
    case $1 in
    amd64) echo 47681197cb2b1ab88206b42a1a92fc75f50d9530a6322d03494a473eed0408ea ;;
    arm64) echo bbafaa666f3e7fa00ad36f2a8bab889f1c791ca8743d674e7267a3d07203869c ;;
    *) return 1 ;;
    esac
}

compose_2_is_there() { [ "$(cat "$1/fetched.txt" 2>/dev/null)" = "$COMPOSE_2 $COMPOSE_GO" ]; }

# fetch_compose_2 FOLDER
fetch_compose_2() {
    local architecture sum
    architecture=$(dpkg --print-architecture) && sum=$(compose_2_sha256 "$architecture") &&
        rm -rf "$1" && mkdir -p "$1" &&
        fetch_pinned "$COMPOSE_MIRROR/d/docker-compose/${COMPOSE_2}_$architecture.deb" "$sum" "$1/docker-compose.deb" &&
        fetch_pinned "$COMPOSE_MIRROR/g/golang-github-compose-spec-compose-go/$COMPOSE_GO" "$COMPOSE_GO_SHA256" \
            "$1/compose-go.tar.xz" &&
        dpkg-deb -x "$1/docker-compose.deb" "$1/package" &&
        mv "$1/package/usr/libexec/docker/cli-plugins/docker-compose" "$1/docker-compose" &&
        mkdir "$1/compose-go-2.4.8" &&
        tar xJf "$1/compose-go.tar.xz" -C "$1/compose-go-2.4.8" --strip-components 1 &&
        rm -rf "$1/package" "$1/docker-compose.deb" "$1/compose-go.tar.xz" &&
        echo "$COMPOSE_2 $COMPOSE_GO" >"$1/fetched.txt"
}

# fetch_pinned URL SHA256 FILE
fetch_pinned() {
    curl --fail --silent --show-error --location --max-time 120 --output "$3" "$1" &&
        echo "$2  $3" | sha256sum --check --quiet
}
