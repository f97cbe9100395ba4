# shellcheck shell=bash
# How the scripts at the top of the repository talk while they work. Sourced. A step that takes longer than two
# seconds shows that it is alive: with a spinner on a terminal, with a line now and then elsewhere.

say() { printf '%s\n' "$*" >&2; }

# A message, then a hint, then the end of the script.
die() {
    say "error: $1"
    if [ $# -gt 1 ]; then say "hint: $2"; fi
    exit 1
}

# step TITLE COMMAND…: runs a command or function with its output kept aside; shows the output only when it fails,
# and then fails as it did. To be called plainly: behind `if` or before `||`, bash would let a function run on past
# the command that failed in it.
step() {
    run_watched "$@"
    if [ "$STEP_STATUS" -ne 0 ]; then
        say "✗ $1 (exit $STEP_STATUS); the end of its output:"
        tail -n 25 "$STEP_LOG" | sed 's/^/    /' >&2
        say "  all of it: $STEP_LOG"
        return "$STEP_STATUS"
    fi
    say "✓ $1$(took)"
    rm -f "$STEP_LOG"
}

# attempt TITLE COMMAND…: the same for one command that may fail, because there is another way.
attempt() {
    run_watched "$@"
    if [ "$STEP_STATUS" -eq 0 ]; then say "✓ $1$(took)"; else say "· $1: no$(took)"; fi
    rm -f "$STEP_LOG"
    return "$STEP_STATUS"
}

took() { if [ "$STEP_SECONDS" -ge 2 ]; then printf ' (%s s)' "$STEP_SECONDS"; fi; }

# Leaves the output in $STEP_LOG, the exit code in $STEP_STATUS and the time in $STEP_SECONDS.
run_watched() {
    local title=$1 start=$SECONDS next_line=2 pid
    shift
    STEP_LOG=$(mktemp "${TMPDIR:-/tmp}/cloudyknight.XXXXXX")

    # Job control gives the command its own process group, so that Ctrl-C here ends all of it, and only once.
    set -m
    (
        set -e
        "$@"
    ) >"$STEP_LOG" 2>&1 </dev/null &
    pid=$!
    set +m
    trap 'kill -TERM -- "-$pid" 2>/dev/null; rm -f "$STEP_LOG"; exit 130' INT TERM

    while kill -0 "$pid" 2>/dev/null; do
        if [ -t 2 ]; then
            draw_spinner "$title" $((SECONDS - start))
        elif [ $((SECONDS - start)) -ge "$next_line" ]; then
            say "… $title ($((SECONDS - start)) s)"
            next_line=$((SECONDS - start + 15))
        fi
        sleep 0.1
    done
    STEP_STATUS=0
    wait "$pid" || STEP_STATUS=$?
    trap - INT TERM
    if [ -t 2 ]; then printf '\r\033[K' >&2; fi
    STEP_SECONDS=$((SECONDS - start))
}

SPINNER=(⠋ ⠙ ⠹ ⠸ ⠼ ⠴ ⠦ ⠧ ⠇ ⠏)
SPINNER_AT=0
draw_spinner() {
    local line room
    line="$1 ($2 s)"
    SPINNER_AT=$(((SPINNER_AT + 1) % ${#SPINNER[@]}))
    room=$((${COLUMNS:-80} - ${#line} - 6))
    if [ "$room" -gt 10 ]; then
        line+="  $(tail -n 1 "$STEP_LOG" | tr -cd '[:print:]' | cut -c "-$room")"
    fi
    printf '\r\033[K%s %s' "${SPINNER[$SPINNER_AT]}" "$line" >&2
}
