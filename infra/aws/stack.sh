# shellcheck shell=bash
# The stack: what is deployed, and how it becomes what it should be. Sourced, after steps.sh and call.sh.

STACK_LIMIT_S=1800

# Writes what CloudFormation tells to $SCRATCH/stack, a line each, and sets STATUS; "none" where there is no stack, or
# only a plan for one.
look_at_stack() {
    local answer
    if answer=$(aws cloudformation describe-stacks --stack-name "$STACK" --output text --query "Stacks[0].[
        [['status', StackStatus]],
        Parameters[].['parameter', ParameterKey, ParameterValue], Outputs[].['output', OutputKey, OutputValue]] | []" 2>&1); then
        printf '%s\n' "$answer" >"$SCRATCH/stack"
        STATUS=$(awk '$1 == "status" { print $2 }' "$SCRATCH/stack")
    elif [[ $answer == *"does not exist"* ]]; then
        : >"$SCRATCH/stack"
        STATUS=none
    else
        die "the stack $STACK cannot be looked at: $answer"
    fi
    case $STATUS in REVIEW_IN_PROGRESS | DELETE_COMPLETE) STATUS=none ;; esac
}

# told output|parameter NAME: its value, as CloudFormation told it; nothing where there is none.
told() { awk -F '\t' -v kind="$1" -v name="$2" '$1 == kind && $2 == name { printf "%s", $3 }' "$SCRATCH/stack"; }

# The names of the parameters that the deployed stack and the template of today both have.
deployed_parameters() {
    local kind name
    while read -r kind name _; do
        if [ "$kind" = parameter ] && grep -q "^  $name:\$" "$ROOT/infra/template.yaml"; then printf '%s\n' "$name"; fi
    done <"$SCRATCH/stack"
}

# What cannot be changed as it is, and what never came to be.
make_way() {
    case $STATUS in
    *_IN_PROGRESS) die "somebody is at work on the stack $STACK ($STATUS)" "wait until that is over, and run this again" ;;
    DELETE_FAILED) die "the stack $STACK could not be deleted" "run this with --delete; it says what is in the way" ;;
    ROLLBACK_COMPLETE | ROLLBACK_FAILED | CREATE_FAILED)
        say "The stack $STACK could not be made the last time ($STATUS); beginning anew."
        delete_stack "what is left of it"
        look_at_stack
        ;;
    esac
}

# delete_stack WHAT
delete_stack() {
    local began
    began=$(newest_event)
    aws cloudformation delete-stack --stack-name "$STACK"
    step "Deleting $1" await_stack "$began" DELETE_COMPLETE
}

# A plan first: it tells whether there is anything to do.
change_stack() {
    local kind=UPDATE
    if [ "$STATUS" = none ]; then take_back_buckets; fi
    if [ "$STATUS" = none ]; then kind=CREATE; fi
    carry_out "$kind" --template-body "file://$ROOT/infra/template.yaml" --parameters "file://$SCRATCH/parameters.json" \
        --tags "Key=application,Value=cloudyknight" --capabilities CAPABILITY_IAM
}

# Buckets outlive their stack. A new one of that name begins with them: to CloudFormation they are an import, and that
# must be all that a change does.
take_back_buckets() {
    local resources=() imports=() resource name
    for resource in "WorkspacesBucket $WORKSPACES_BUCKET" "PlatformBucket $PLATFORM_BUCKET"; do
        name=${resource#* } resource=${resource% *}
        aws s3api head-bucket --bucket "$name" --expected-bucket-owner "$ACCOUNT" >/dev/null 2>&1 || continue
        say "The bucket $name is there already, and the stack takes it over."
        resources+=("\"$resource\": {\"Type\": \"AWS::S3::Bucket\", \"DeletionPolicy\": \"Retain\",
            \"Properties\": {\"BucketName\": \"$name\"}}")
        imports+=("{\"ResourceType\": \"AWS::S3::Bucket\", \"LogicalResourceId\": \"$resource\",
            \"ResourceIdentifier\": {\"BucketName\": \"$name\"}}")
    done
    if [ ${#resources[@]} -eq 0 ]; then return; fi
    (IFS=, && printf '{"Resources": {%s}}' "${resources[*]}") >"$SCRATCH/buckets.json"
    (IFS=, && printf '[%s]' "${imports[*]}") >"$SCRATCH/imports.json"
    carry_out IMPORT --template-body "file://$SCRATCH/buckets.json" --resources-to-import "file://$SCRATCH/imports.json"
    STATUS=IMPORT_COMPLETE
}

# carry_out CREATE|UPDATE|IMPORT ARGUMENT…: plans a change, tells what it is, and makes it.
carry_out() {
    local kind=$1 plan began
    shift
    plan=deploy-$(date -u +%Y%m%d%H%M%S)-$$
    step "Planning" aws cloudformation create-change-set --stack-name "$STACK" --change-set-name "$plan" \
        --change-set-type "$kind" "$@"
    await_plan "$plan"
    if [ "$PLAN_STATUS" = empty ]; then
        aws cloudformation delete-change-set --stack-name "$STACK" --change-set-name "$plan"
        say "✓ Nothing to change"
        return
    fi
    aws cloudformation describe-change-set --stack-name "$STACK" --change-set-name "$plan" --output text \
        --query 'Changes[].ResourceChange.[Action, LogicalResourceId, ResourceType]' | sed 's/^/    /' >&2
    began=$(newest_event)
    aws cloudformation execute-change-set --stack-name "$STACK" --change-set-name "$plan"
    step "Carrying it out" await_stack "$began" "${kind}_COMPLETE"
}

# Sets PLAN_STATUS to `empty` or `ready`.
await_plan() {
    local answer reason deadline=$((SECONDS + STACK_LIMIT_S))
    while [ "$SECONDS" -lt "$deadline" ]; do
        answer=$(aws cloudformation describe-change-set --stack-name "$STACK" --change-set-name "$1" \
            --query '[Status, StatusReason]' --output text)
        reason=${answer#*[[:space:]]}
        case $answer in
        CREATE_COMPLETE*)
            PLAN_STATUS=ready
            return
            ;;
        FAILED*"didn't contain changes"* | FAILED*"No updates are to be performed"*)
            PLAN_STATUS=empty
            return
            ;;
        FAILED*)
            aws cloudformation delete-change-set --stack-name "$STACK" --change-set-name "$1"
            die "CloudFormation cannot plan that: $reason"
            ;;
        esac
        sleep 1
    done
    die "CloudFormation did not make a plan within $STACK_LIMIT_S s" "look at the stack $STACK in its console"
}

# When the newest thing happened to the stack, by CloudFormation's clock, which need not be ours.
newest_event() {
    aws cloudformation describe-stack-events --stack-name "$STACK" --max-items 1 \
        --query 'StackEvents[0].Timestamp' --output text | head -n 1
}

# await_stack SINCE STATUS: waits until the stack has come to rest; if that is elsewhere, prints what failed.
await_stack() {
    local deadline=$((SECONDS + STACK_LIMIT_S))
    while [ "$SECONDS" -lt "$deadline" ]; do
        look_at_stack
        if [ "$STATUS" = none ]; then STATUS=DELETE_COMPLETE; fi
        case $STATUS in
        "$2") return ;;
        *_IN_PROGRESS) ;;
        *)
            echo "The stack $STACK is $STATUS and not $2. What failed, the first one first:"
            failed_events "$1"
            return 1
            ;;
        esac
        # A stack takes a minute or two; a busy account must not be asked all the time.
        sleep 2
    done
    echo "The stack $STACK was still $STATUS after $STACK_LIMIT_S s."
    return 1
}

# What is only cancelled failed because of another. What was refused before anything was made stands in a list that
# older aws commands do not know.
failed_events() {
    aws cloudformation describe-stack-events --stack-name "$STACK" --output text --query "reverse(StackEvents[?
        Timestamp>'$1' && contains(ResourceStatus, 'FAILED') && !contains(ResourceStatusReason || '', 'cancelled')
        ].[LogicalResourceId, ResourceType, ResourceStatusReason])"
    aws cloudformation describe-events --stack-name "$STACK" --output text --query "OperationEvents[?
        Timestamp>'$1' && EventType=='VALIDATION_ERROR'].[LogicalResourceId, ResourceType, ValidationStatusReason]" \
        2>/dev/null || true
}
