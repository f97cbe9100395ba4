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
    if aws s3api head-bucket --bucket "$ARTIFACTS" --expected-bucket-owner "$ACCOUNT"; then return; fi
    # The oldest region is the one that must not be named.
    if [ "$REGION" = us-east-1 ]; then
        aws s3api create-bucket --bucket "$ARTIFACTS"
    else
        aws s3api create-bucket --bucket "$ARTIFACTS" --create-bucket-configuration "LocationConstraint=$REGION"
    fi
    aws s3api put-public-access-block --bucket "$ARTIFACTS" --expected-bucket-owner "$ACCOUNT" \
        --public-access-block-configuration \
        BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true
}

# What is there already is not sent again.
upload_zips() {
    local function key there
    there=$(aws s3api list-objects-v2 --bucket "$ARTIFACTS" --prefix functions/ --expected-bucket-owner "$ACCOUNT" \
        --query 'Contents[].[Key]' --output text)
    for function in "${FUNCTIONS[@]}"; do
        key=$(key_of "$function")
        if grep -qxF "$key" <<<"$there"; then continue; fi
        step "Uploading $function ($(du -h "$(zip_of "$function")" | cut -f 1))" \
            aws s3 cp --only-show-errors "$(zip_of "$function")" "s3://$ARTIFACTS/$key"
    done
}
