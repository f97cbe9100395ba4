# shellcheck shell=bash
# Takes the stack away again, and with --purge the data. Sourced, after steps.sh and stack.sh.

delete() {
    local bucket buckets=()
    look_at_stack
    if [ "$STATUS" = none ]; then
        say "There is no stack $STACK here."
        # They are where the template would have put them.
        buckets=("$STACK-workspaces-$ACCOUNT-$REGION" "$STACK-platform-$ACCOUNT-$REGION")
    else
        # Asked for before it is gone.
        buckets=("$(bucket_of WorkspacesBucket)" "$(bucket_of PlatformBucket)")
        delete_stack "the stack $STACK"
    fi
    if [ -n "$ARTIFACTS_ARE_OURS" ]; then buckets+=("$ARTIFACTS"); fi
    for bucket in "${buckets[@]}"; do
        if [ -z "$bucket" ] || ! aws s3api head-bucket --bucket "$bucket" --expected-bucket-owner "$ACCOUNT" >/dev/null 2>&1; then
            continue
        elif [ -n "$PURGE" ]; then
            step "Emptying and deleting the bucket $bucket" purge_bucket "$bucket"
        else
            say "The bucket $bucket stays, with all that is in it; --delete --purge deletes it, and deploying again takes it back."
        fi
    done
}

bucket_of() {
    local name
    name=$(aws cloudformation describe-stack-resources --stack-name "$STACK" --output text \
        --query "StackResources[?LogicalResourceId=='$1'].PhysicalResourceId | [0]")
    if [ "$name" != None ]; then printf '%s' "$name"; fi
}

# All versions, a thousand at a time; what is not versioned has one, named null.
purge_bucket() {
    local page=$SCRATCH/versions.json
    while true; do
        aws s3api list-object-versions --bucket "$1" --max-keys 1000 --no-paginate --output json \
            --query '{Objects: [Versions, DeleteMarkers][][].{Key: Key, VersionId: VersionId}}' >"$page"
        if ! grep -q '"Key"' "$page"; then break; fi
        aws s3api delete-objects --bucket "$1" --delete "file://$page" >"$SCRATCH/deleted.json"
        if grep -q '"Errors"' "$SCRATCH/deleted.json"; then
            cat "$SCRATCH/deleted.json"
            return 1
        fi
    done
    aws s3api delete-bucket --bucket "$1"
}
