# shellcheck shell=bash
# The parameters of the stack, as a file: one of them is a secret, and command lines are for everybody to read. Sourced,
# after steps.sh, artifacts.sh and stack.sh.

# Writes $SCRATCH/parameters.json and sets WORKSPACES_BUCKET and PLATFORM_BUCKET: what was asked for, what follows from the functions, and for the rest what is deployed.
write_parameters() {
    local -A values=([ArtifactsBucket]=$ARTIFACTS [Architecture]=$ARCHITECTURE)
    values[ObjectChangedKey]=$(key_of object_changed)
    values[SweepKey]=$(key_of sweep)
    values[DeadLetterKey]=$(key_of dead_letter)
    if [ "${FUNCTIONS[-1]}" = ingest ]; then values[IngestKey]=$(key_of ingest); else values[IngestKey]=none; fi
    case $INGEST in
    yes)
        make_ingest_token
        values[IngestToken]=$(<"$INGEST_TOKEN_FILE")
        [[ ${values[IngestToken]} =~ ^[A-Za-z0-9._~+/-]{16,}=*$ ]] ||
            die "$INGEST_TOKEN_FILE holds no token that a request could carry" \
                "at least 16 of A-Z, a-z, 0-9 and ._~+/- in one line; or remove the file, and one is made"
        ;;
    no) values[IngestToken]='' ;;
    esac

    local parameter name value
    for parameter in ${PARAMETERS[@]+"${PARAMETERS[@]}"}; do
        name=${parameter%%=*} value=${parameter#*=}
        [[ $parameter =~ ^[A-Za-z]+= ]] || die "'$parameter' is no parameter" "write it as Name=value"
        [ "$name" != IngestToken ] || die "a token is not for command lines" "write it into a file, and say --ingest FILE"
        [[ $value != *[\\\"[:cntrl:]]* ]] || die "the value of $name holds characters that no parameter needs"
        values[$name]=$value
    done
    # As the template names them.
    # shellcheck disable=SC2034 # stack.sh takes them back
    WORKSPACES_BUCKET=${values[WorkspacesBucketName]:-$STACK-workspaces-$ACCOUNT-$REGION}
    # shellcheck disable=SC2034
    PLATFORM_BUCKET=${values[PlatformBucketName]:-$STACK-platform-$ACCOUNT-$REGION}

    {
        for name in "${!values[@]}"; do
            printf '{"ParameterKey":"%s","ParameterValue":"%s"}\n' "$name" "${values[$name]}"
        done
        while read -r name; do
            if [ -z "${values[$name]+set}" ]; then printf '{"ParameterKey":"%s","UsePreviousValue":true}\n' "$name"; fi
        done < <(deployed_parameters)
    } | sort | paste -s -d , | sed 's/.*/[&]/' >"$SCRATCH/parameters.json"
}

make_ingest_token() {
    if [ -s "$INGEST_TOKEN_FILE" ]; then return; fi
    (umask 077 && head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=' >"$INGEST_TOKEN_FILE")
    say "Made a token for the webhook: it is in $INGEST_TOKEN_FILE."
}

# Is there a webhook? Its token cannot be read, but its URL can.
has_ingest() { [ -n "$(told output IngestUrl)" ]; }
