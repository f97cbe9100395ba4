# shellcheck shell=bash
# Tools that are published as Python packages, each set of them in a folder of its own under target/. Sourced, after
# steps.sh and packages.sh.

# ensure_python_tools FOLDER LIST WHAT: FOLDER/bin holds what the file LIST pins, and is made anew when the list changes.
ensure_python_tools() {
    local folder=$1 list=$2
    if cmp -s "$list" "$folder/installed.txt"; then return; fi
    # Debian has the part of Python that makes these folders in a package of its own.
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
        install_packages "$3 come as Python packages" python3 python3-venv
    fi
    step "Installing $3 into ${folder#"$ROOT"/}" install_python_tools "$folder" "$list"
}

install_python_tools() {
    rm -rf "$1"
    python3 -m venv "$1"
    "$1/bin/pip" install --quiet --disable-pip-version-check --requirement "$2"
    cp "$2" "$1/installed.txt"
}
