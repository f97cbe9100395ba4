# shellcheck shell=bash
# Uploads a folder with a plain S3 client, one that the machine has where it has one. Sourced, after steps.sh and
# packages.sh. The endpoint and the credentials come from the environment, as `cloudyknight env` sets them: none of
# them ever stands on a command line.

# Sets S3_CLIENT.
ensure_s3_client() {
    if works aws; then
        S3_CLIENT=aws
    elif works rclone; then
        S3_CLIENT=rclone
    else
        install_packages "the sample workspaces are uploaded with an S3 client, and there is none here" rclone
        S3_CLIENT=rclone
    fi
}

# A wrapper that some version switcher left behind is found, and fails.
works() { command -v "$1" >/dev/null && "$1" --version >/dev/null 2>&1; }

# sync_folder FOLDER WORKSPACE: what is already there is not sent again, what is there and not here goes.
sync_folder() (
    # Somebody's other S3 must not get in the way: its profile, its certificates, a proxy that cannot see this machine.
    unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN AWS_CA_BUNDLE
    export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
    export NO_PROXY="127.0.0.1,localhost${NO_PROXY:+,$NO_PROXY}"
    export no_proxy=$NO_PROXY

    case $S3_CLIENT in
    aws)
        aws --endpoint-url "$AWS_ENDPOINT_URL" s3 sync --delete --only-show-errors "$1" "s3://workspaces/$2"
        ;;
    rclone)
        export RCLONE_CONFIG=/dev/null
        export RCLONE_CONFIG_PLATFORM_TYPE=s3
        export RCLONE_CONFIG_PLATFORM_PROVIDER=Other
        export RCLONE_CONFIG_PLATFORM_ENV_AUTH=true
        export RCLONE_CONFIG_PLATFORM_ENDPOINT=$AWS_ENDPOINT_URL
        export RCLONE_CONFIG_PLATFORM_REGION=$AWS_REGION
        export RCLONE_CONFIG_PLATFORM_NO_CHECK_BUCKET=true
        # By checksum: a fresh clone has new times and the same files.
        rclone sync --checksum --quiet "$1" "platform:workspaces/$2"
        ;;
    esac
)
