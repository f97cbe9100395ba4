# shellcheck shell=bash
# The aws command: there, signed in, and knowing its region. Sourced, after steps.sh.

# Sets ACCOUNT, REGION and PARTITION.
find_account() {
    local identity
    command -v aws >/dev/null || die "there is no aws command here" "install it: https://aws.amazon.com/cli/"
    # A pager would wait for somebody to press a key, and old versions try again only a few times.
    export AWS_PAGER='' AWS_RETRY_MODE=standard AWS_MAX_ATTEMPTS=5
    REGION=${AWS_REGION:-${AWS_DEFAULT_REGION:-$(aws configure get region || true)}}
    [ -n "$REGION" ] || die "no region is chosen" "say --region, or set AWS_REGION"
    export AWS_REGION=$REGION AWS_DEFAULT_REGION=$REGION
    identity=$(aws sts get-caller-identity --query '[Account, Arn]' --output text) ||
        die "AWS does not let us in" "\`aws sts get-caller-identity\` must work: sign in, or say --profile"
    ACCOUNT=${identity%%[[:space:]]*}
    identity=${identity##*[[:space:]]}
    say "Account $ACCOUNT, region $REGION, as $identity${AWS_ENDPOINT_URL:+, at $AWS_ENDPOINT_URL}."
}
