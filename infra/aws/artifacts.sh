# shellcheck shell=bash
# The functions as zip files, and the bucket that CloudFormation takes them from. Sourced, after steps.sh and call.sh.

# Sets ZIPS, where it is not given.
build_zips() {
    local function
    if [ -z "$ZIPS" ]; then
        if [ "$ARCHITECTURE" = arm64 ]; then "$ROOT/functions/build.sh" --arm64 >&2; else "$ROOT/functions/build.sh" >&2; fi
        ZIPS=$ROOT/target/lambda
    fi
    for function in "${FUNCTIONS[@]}"; do
        [ -f "$(zip_of "$function")" ] || die "there is no $(zip_of "$function")" "functions/build.sh makes it"
    done
}

zip_of() { printf '%s/%s/bootstrap.zip' "$ZIPS" "$1"; }

# A key names what is in it: the same code is never uploaded twice, and other code is a change that CloudFormation sees.
key_of() {
    local digest
    digest=$(sha256sum "$(zip_of "$1")")
    printf 'functions/%s/%s-%s.zip' "$1" "$ARCHITECTURE" "${digest%% *}"
}

# Whoever made a bucket of this name before us would get to choose what runs: it must be this account's.
make_artifacts_bucket() {
    if ! aws s3api head-bucket --bucket "$ARTIFACTS" --expected-bucket-owner "$ACCOUNT"; then
        # The oldest region is the one that must not be named.
        if [ "$REGION" = us-east-1 ]; then
            aws s3api create-bucket --bucket "$ARTIFACTS"
        else
            aws s3api create-bucket --bucket "$ARTIFACTS" --create-bucket-configuration "LocationConstraint=$REGION"
        fi
    fi
    if [ -n "$ARTIFACTS_ARE_OURS" ]; then
        aws s3api put-public-access-block --bucket "$ARTIFACTS" --expected-bucket-owner "$ACCOUNT" \
            --public-access-block-configuration \
            BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true
    fi
}

upload_zip() {
    local key
    key=$(key_of "$1")
    if aws s3api head-object --bucket "$ARTIFACTS" --key "$key" --expected-bucket-owner "$ACCOUNT" >/dev/null 2>&1; then
        say "✓ $1 is uploaded already"
    else
        step "Uploading $1 ($(du -h "$(zip_of "$1")" | cut -f 1))" \
            aws s3 cp --only-show-errors "$(zip_of "$1")" "s3://$ARTIFACTS/$key"
    fi
}
