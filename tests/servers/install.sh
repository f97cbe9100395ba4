# shellcheck shell=bash
# What platforms can stand on in tests, the embedded store and servers that come as Python packages; and what can carry
# their traffic. Sourced by test.sh, after infra/host/steps.sh and infra/host/python.sh.

BACKENDS=(embedded localstack moto ministack seaweedfs)
# shellcheck disable=SC2034 # read by test.sh
ROUTERS=(traefik)

# LocalStack's pins are for this one only.
LOCALSTACK_PYTHON=3.13

is_backend() { [[ " ${BACKENDS[*]} " == *" $1 "* ]]; }

# prepare_server NAME FOLDER: installs it below FOLDER. When that cannot be, says why in $NOT_PREPARED, and fails.
prepare_server() {
    local python=python3
    NOT_PREPARED=
    if [ "$1" = embedded ]; then return; fi
    if [ "$1" = localstack ]; then
        python=$(find_python "$LOCALSTACK_PYTHON") || {
            NOT_PREPARED="it wants Python $LOCALSTACK_PYTHON, which is not here"
            return 1
        }
    fi
    attempt_python_tools "$2/$1" "tests/servers/$1.txt" "$1, to test against" "$python" || {
        # shellcheck disable=SC2034 # read by test.sh
        NOT_PREPARED="its packages could not be installed"
        return 1
    }
}
