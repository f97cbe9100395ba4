# shellcheck shell=bash
# Tools that are published as Python packages, each set of them in a folder of its own under target/. Sourced, after
# steps.sh and packages.sh.

# ensure_python_tools FOLDER LIST WHAT: FOLDER/bin holds what the file LIST pins, and is made anew when the list changes.
ensure_python_tools() {
    if python_tools_are_there "$1" "$2"; then return; fi
    # Debian has the part of Python that makes these folders in a package of its own.
    if ! makes_folders python3; then
        install_packages "$3 come as Python packages" python3 python3-venv
    fi
    step "Installing $3 into ${1#"$ROOT"/}" install_python_tools "$1" "$2" python3
}

# attempt_python_tools FOLDER LIST WHAT PYTHON: the same with one Python of several, and it may fail.
attempt_python_tools() {
    if python_tools_are_there "$1" "$2"; then return; fi
    attempt "Installing $3 into ${1#"$ROOT"/}" install_python_tools "$1" "$2" "$4"
}

python_tools_are_there() { cmp -s "$2" "$1/installed.txt"; }

makes_folders() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

# Prints a Python of this version, such as 3.13: the one on the PATH, else one that pyenv has built.
find_python() {
    local candidate
    for candidate in "$(command -v "python$1")" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python"$1"; do
        if [ -x "$candidate" ] && makes_folders "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    return 1
}

# Chained, because an attempt would let it run on past what failed.
install_python_tools() {
    rm -rf "$1" && "$3" -m venv "$1" &&
        "$1/bin/pip" install --quiet --disable-pip-version-check --requirement "$2" &&
        cp "$2" "$1/installed.txt"
}
