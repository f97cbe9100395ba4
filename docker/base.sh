# shellcheck shell=bash
# The image that the runtime images start from: from a registry where one can be reached, otherwise made on the
# spot from Debian's packages. Sourced by build.sh, after the host scripts.

REGISTRY_BASE=debian:bookworm-slim
MADE_BASE=cloudyknight-base:latest

# Sets BASE to the name of an image that is here.
find_base() {
    if [ -n "${CLOUDYKNIGHT_BASE_IMAGE:-}" ]; then
        BASE=$CLOUDYKNIGHT_BASE_IMAGE
        if ! image_exists "$BASE"; then step "Pulling $BASE (CLOUDYKNIGHT_BASE_IMAGE)" docker pull "$BASE"; fi
        return
    fi

    BASE=$MADE_BASE
    if [ -z "$FORCE" ] && image_exists "$BASE"; then return; fi
    if attempt "Pulling $REGISTRY_BASE" timeout 20 docker pull "$REGISTRY_BASE"; then
        BASE=$REGISTRY_BASE
        return
    fi
    if ! command -v mmdebstrap >/dev/null; then
        install_packages "no registry can be reached, so the base image is made from Debian's packages" mmdebstrap
    fi
    become_able_to_install
    # They say which mirror this machine uses.
    if ! compgen -G '/var/lib/apt/lists/*Packages*' >/dev/null; then refresh_package_lists; fi
    step "Making $MADE_BASE from Debian's packages" make_base
}

image_exists() { docker image inspect "$1" >/dev/null 2>&1; }

# The smallest system that can install packages.
make_base() {
    local codename proxy='' options=()
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    eval "$(apt-config shell proxy Acquire::http::Proxy)"
    if [ -n "$proxy" ]; then options+=(--aptopt="Acquire::http::Proxy \"$proxy\""); fi

    archive_sources "$codename" |
        as_root mmdebstrap --variant=apt --include=ca-certificates \
            --aptopt='Apt::Install-Recommends "false"' \
            --dpkgopt=force-unsafe-io \
            --dpkgopt='path-exclude=/usr/share/doc/*' \
            --dpkgopt='path-exclude=/usr/share/man/*' \
            --dpkgopt='path-exclude=/usr/share/locale/*' \
            "${options[@]}" "$codename" - - |
        docker import - "$MADE_BASE"
}

# Where this machine gets the distribution's own packages from: its mirror is the one that is sure to be reached.
# Not the sources of others that the machine also knows: their packages would not be the same everywhere.
archive_sources() {
    local codename=$1 sources
    # shellcheck disable=SC2016 # apt fills these in
    sources=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        awk -v codename="$codename" '
            ($1 == "Debian" || $1 == "Ubuntu") && index($3, codename) == 1 && $3 !~ /backports|proposed/ {
                print "deb", $2, $3, $4
            }' | sort -u)
    echo "${sources:-deb http://deb.debian.org/debian $codename main}"
}
