#!/usr/bin/env bash
# Deploys the AWS side: buckets, queues, functions, roles. Run it as often as you like: what is as it should be stays.
# The agent's configuration goes to standard output, and nothing else does; the words for people go to standard error.
set -euo pipefail

ROOT=$(cd "$(dirname "$0")/.." && pwd)
FUNCTIONS=(object_changed sweep dead_letter)

# shellcheck source-path=SCRIPTDIR source=host/steps.sh
. "$ROOT/infra/host/steps.sh"
# shellcheck source-path=SCRIPTDIR source=aws/call.sh
. "$ROOT/infra/aws/call.sh"
# shellcheck source-path=SCRIPTDIR source=aws/artifacts.sh
. "$ROOT/infra/aws/artifacts.sh"
# shellcheck source-path=SCRIPTDIR source=aws/parameters.sh
. "$ROOT/infra/aws/parameters.sh"
# shellcheck source-path=SCRIPTDIR source=aws/stack.sh
. "$ROOT/infra/aws/stack.sh"
# shellcheck source-path=SCRIPTDIR source=aws/delete.sh
. "$ROOT/infra/aws/delete.sh"

usage() {
    cat <<'USAGE'
usage: infra/deploy.sh [options] > config.toml
       infra/deploy.sh --delete [--purge] [options]

Makes or updates a CloudFormation stack from infra/template.yaml, and prints the configuration of the agent.

  --stack-name NAME       a to z, 0 to 9 and -, at most 24 of them (default: cloudyknight)
  --region REGION         (default: as the aws command would choose)
  --profile NAME          a profile of the aws command
  --endpoint-url URL      another server than AWS
  --arm64                 functions for Graviton (default: as they are deployed; x86_64 at first)
  --x86-64                functions for the other kind
  --zips DIR              functions that are built: DIR/<name>/bootstrap.zip (default: functions/build.sh builds them)
  --ingest FILE           a webhook for S3 servers that cannot notify SQS; its bearer token is in FILE, which is made
                          with a new token where there is none
  --no-ingest             takes the webhook away again
  --parameter NAME=VALUE  a parameter of the template, as often as needed; those not named stay as they are deployed
  --artifacts-bucket NAME where the functions are uploaded (default: <stack>-artifacts-<account>-<region>, made here)

  --delete                delete the stack; the buckets and all that is in them stay
  --purge                 with --delete: delete the buckets too, every version of every object
  --help                  show this
USAGE
}

wrong_usage() {
    say "error: $1"
    usage >&2
    exit 64
}

STACK=cloudyknight ARCHITECTURE='' ZIPS='' INGEST='' INGEST_TOKEN_FILE='' ARTIFACTS='' ACTION=deploy PURGE=''
PARAMETERS=()

while [ $# -gt 0 ]; do
    case $1 in
    --stack-name | --region | --profile | --endpoint-url | --zips | --ingest | --parameter | --artifacts-bucket)
        [ -n "${2:-}" ] || wrong_usage "$1 needs a value"
        ;;
    esac
    case $1 in
    --stack-name) STACK=$2 && shift ;;
    # The command reads these by itself.
    --region) export AWS_REGION=$2 AWS_DEFAULT_REGION=$2 && shift ;;
    --profile) export AWS_PROFILE=$2 && shift ;;
    --endpoint-url) export AWS_ENDPOINT_URL=$2 && shift ;;
    --arm64) ARCHITECTURE=arm64 ;;
    --x86-64) ARCHITECTURE=x86_64 ;;
    --zips) ZIPS=$2 && shift ;;
    --ingest) INGEST=yes INGEST_TOKEN_FILE=$2 && shift ;;
    --no-ingest) INGEST=no ;;
    --parameter) PARAMETERS+=("$2") && shift ;;
    --artifacts-bucket) ARTIFACTS=$2 && shift ;;
    --delete) ACTION=delete ;;
    --purge) PURGE=yes ;;
    --help | -h)
        usage
        exit
        ;;
    *) wrong_usage "there is no option $1" ;;
    esac
    shift
done

[[ $STACK =~ ^[a-z][a-z0-9-]{0,23}$ ]] || wrong_usage "the stack's name '$STACK' does not fit into those of buckets"
if [ -n "$PURGE" ] && [ "$ACTION" != delete ]; then wrong_usage "--purge goes with --delete"; fi

# Private: the parameters may hold a secret, which must not stand on a command line.
SCRATCH=$(umask 077 && mktemp -d "${TMPDIR:-/tmp}/cloudyknight-deploy.XXXXXX")
trap 'rm -rf "$SCRATCH"' EXIT

find_account
if [ -z "$ARTIFACTS" ]; then ARTIFACTS=$STACK-artifacts-$ACCOUNT-$REGION ARTIFACTS_ARE_OURS=yes; else ARTIFACTS_ARE_OURS=''; fi

deploy() {
    look_at_stack
    make_way
    if [ -z "$ARCHITECTURE" ]; then ARCHITECTURE=$(told parameter Architecture); fi
    ARCHITECTURE=${ARCHITECTURE:-x86_64}
    if [ "$INGEST" = yes ] || { [ "$INGEST" != no ] && has_ingest; }; then FUNCTIONS+=(ingest); fi
    build_zips
    step "Making sure of the bucket $ARTIFACTS" make_artifacts_bucket
    upload_zips
    write_parameters
    change_stack
    look_at_stack
    print_configuration
}

# What the stack says it has made, as the agent reads it.
print_configuration() {
    local store
    store=${AWS_ENDPOINT_URL:-$(told output StoreEndpoint)}
    cat <<CONFIG
# The stack $STACK in $REGION. This is config.toml in the home of an agent: /var/lib/cloudyknight for root.
store = "$store"
events = "none" # the functions run on Lambda
commands = "$(told output CommandsQueueUrl)"
workspaces_bucket = "$(told output WorkspacesBucket)"
platform_bucket = "$(told output PlatformBucket)"
region = "$REGION"
sweep_interval_s = 0 # and so does the sweep
CONFIG
    say "The stack $STACK is as it should be. People push to s3://$(told output WorkspacesBucket)/<workspace>/."
    local profile user webhook
    profile=$(told output AgentInstanceProfile) user=$(told output AgentUser) webhook=$(told output IngestUrl)
    if [ -n "$profile" ]; then say "The agent's instance gets the instance profile $profile."; fi
    if [ -n "$user" ]; then say "The agent signs in as $user: aws iam create-access-key --user-name $user"; fi
    if [ -n "$webhook" ]; then say "The webhook is $webhook; its token stands where --ingest said."; fi
}

case $ACTION in
deploy) deploy ;;
delete) delete ;;
esac
