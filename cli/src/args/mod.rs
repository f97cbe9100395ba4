//! What can be typed.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

pub mod help;
pub mod mistake;

#[derive(Parser)]
#[command(
    name = "cloudyknight",
    version,
    about = "Push files to S3 and the app is live",
    max_term_width = 100,
    styles = help::STYLES,
    after_help = help::AFTER
)]
pub struct Args {
    /// Where the platform keeps its data [default: /var/lib/cloudyknight as root, else the user's data directory]
    #[arg(long, global = true, env = "CLOUDYKNIGHT_HOME", hide_env_values = true, value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    pub json: bool,
    /// Print nothing but what was asked for, and trouble
    #[arg(long, short, global = true)]
    pub quiet: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Start the platform in the background, and return when it answers
    Up(Listen),
    /// Stop the platform and remove what it runs; the data stays
    Down {
        /// Also delete the data: embedded buckets, volumes, credentials and built images
        #[arg(long)]
        purge: bool,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Print shell exports for S3 clients and scripts: eval "$(cloudyknight env)"
    Env,
    /// Tell the state of all workspaces, or everything about one
    Status {
        name: Option<String>,
        /// Go on, and tell each change, until Ctrl-C
        #[arg(long, short)]
        watch: bool,
    },
    /// Wait until what the bucket holds of a workspace is live, or has failed
    Wait {
        name: String,
        /// Wait for this release instead
        #[arg(long, value_name = "DIGEST")]
        release: Option<String>,
        #[command(flatten)]
        patience: Patience,
    },
    /// Print what the containers of a workspace say, or its last build, or the platform
    #[command(after_help = help::LOGS)]
    Logs(Logs),
    /// List the workspaces, or the files of one as the bucket holds them
    Ls { name: Option<String> },
    /// Upload a folder as a workspace, delete what is gone from it, and follow it until it is live
    #[command(after_help = help::PUSH)]
    Push(Push),
    /// Make a folder to begin with, from a template; without one, list the templates
    #[command(after_help = help::NEW)]
    New {
        /// The folder, whose name will be the workspace's
        #[arg(value_name = "DIR")]
        dir: Option<PathBuf>,
        /// What kind of app it is to be
        #[arg(long, short, value_name = "TEMPLATE")]
        template: Option<String>,
    },
    /// Print the address of a workspace, or of the platform, and open it in a browser where there is a display
    Open { name: Option<String> },
    /// Delete a workspace from the bucket, and wait until nothing of it runs; its volumes stay
    Rm {
        name: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Try a release that failed once more, and wait: after what was missing on the host is there
    Retry {
        name: String,
        #[command(flatten)]
        patience: Patience,
    },
    /// Tell what was deployed of a workspace, the newest first: what caused it, what changed, how it ended
    History {
        name: String,
        /// Only the newest; all that are kept without it
        #[arg(long, short = 'n', value_name = "DEPLOYMENTS", value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: Option<u16>,
    },
    /// Tell what differs between two releases of a workspace [default: the live one against the one before]
    Diff {
        name: String,
        /// From this release: its digest, or the beginning of it
        from: Option<String>,
        /// To this release [default: the live one]
        to: Option<String>,
    },
    /// Go back to a release and stay there whatever is pushed, until `unpin`
    Rollback {
        name: String,
        /// The digest of the release, or the beginning of it [default: the one that served before]
        release: Option<String>,
        /// Follow the bucket again instead, as `unpin` does
        #[arg(long, conflicts_with = "release")]
        follow: bool,
        #[command(flatten)]
        patience: Patience,
    },
    /// Take a rollback back: deploy what the bucket holds
    Unpin {
        name: String,
        #[command(flatten)]
        patience: Patience,
    },
    /// Make every container of a workspace anew, without a break
    Restart {
        name: String,
        #[command(flatten)]
        patience: Patience,
    },
    /// Stop a workspace: nothing of it runs until `start`; its files, volumes and releases stay
    Stop {
        name: String,
        #[command(flatten)]
        patience: Patience,
    },
    /// Start a workspace that was stopped
    Start {
        name: String,
        #[command(flatten)]
        patience: Patience,
    },
    /// End the deployment that is under way; what serves, serves on
    Cancel { name: String },
    /// Bring a removed workspace back: its last live release is put into the bucket again, and deployed
    Restore {
        name: String,
        /// The digest of another release, or the beginning of it
        release: Option<String>,
        /// Also when it is not removed: what the bucket holds of it is replaced
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        patience: Patience,
    },
    /// Delete the releases and the history of a removed workspace; it cannot be restored then
    Forget {
        name: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// List the named volumes of all workspaces, or of one
    #[command(args_conflicts_with_subcommands = true)]
    Volumes {
        #[command(subcommand)]
        action: Option<VolumesAction>,
        name: Option<String>,
    },
    /// Copy both buckets to the store that another config.toml names, and verify every object; run again, it goes on
    Migrate {
        /// The other platform's config.toml, or the home it lies in
        #[arg(long, value_name = "CONFIG")]
        to: PathBuf,
        /// Also delete there what is not here
        #[arg(long)]
        delete: bool,
    },
    /// Mount the workspaces as a folder: what is saved there is live, what others push is there
    Mount {
        /// Where; an empty folder, or one to be made [default: /workspaces as root, else ~/workspaces]
        dir: Option<PathBuf>,
        /// Stay, for service managers, and unmount when asked to stop
        #[arg(long)]
        foreground: bool,
    },
    /// Unmount that folder, when all that was written to it is in the bucket
    Unmount {
        /// [default: where it is mounted]
        dir: Option<PathBuf>,
        /// Also while it is in use: who uses it goes on with what it has open
        #[arg(long)]
        lazy: bool,
    },
    /// Tell what the policy lets workspaces do, or one of them, and which entry says so
    Policy { name: Option<String> },
    /// Make, list and delete tokens, with which people and programs use the API
    #[command(after_help = help::TOKEN)]
    Token {
        #[command(subcommand)]
        action: TokenAction,
    },
    /// Tell who changed what through the API, the newest first
    Audit {
        /// How many
        #[arg(long, short = 'n', default_value_t = 50, value_name = "ENTRIES",
              value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// Tell the settings that hold, and where each comes from; secrets are not shown
    #[command(after_help = help::CONFIG)]
    Config {
        /// Only this setting; or `path`: where the file is
        key: Option<String>,
    },
    /// Print what makes a shell complete these commands
    #[command(after_help = help::COMPLETIONS)]
    Completions { shell: clap_complete::Shell },
    /// Print the manual page, or write one for each command into a folder
    #[command(after_help = help::MAN)]
    Man {
        /// Where to write them
        dir: Option<PathBuf>,
    },
    /// Print the JSON Schema of what a command prints with --json, or of all of them
    Schema {
        /// Such as `status` or `volumes rm`
        #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
        /// The same for people: docs/json.md
        #[arg(long, conflicts_with = "command", hide = true)]
        markdown: bool,
    },
    /// Look for what is wrong with the platform or its surroundings
    Doctor,
    /// Run the platform in the foreground, for service managers and containers
    Run(Listen),
    /// Run only the webhook for MinIO and its relatives, onto the SQS queue that `events` names
    Ingest {
        /// Address of the webhook [default: 127.0.0.1:9200]
        #[arg(long, env = "CLOUDYKNIGHT_INGEST_LISTEN", value_name = "ADDRESS")]
        ingest_listen: Option<String>,
    },
    /// The S3 server, the queues, the functions, the agent and its API: one process of `run`
    #[command(hide = true)]
    Serve(Listen),
    /// The edge: the other process of `run`
    #[command(hide = true)]
    Edge(Listen),
    /// The keeper of the mounted folder
    #[command(hide = true)]
    MountKeeper { dir: PathBuf },
    /// What rclone asks before it uploads a file
    #[command(hide = true)]
    MountGate { names: Vec<String> },
}

#[derive(Subcommand)]
pub enum VolumesAction {
    /// Delete a volume and what it holds; not while a container mounts it
    Rm {
        name: String,
        /// As the compose file calls it, or Docker
        volume: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

#[derive(clap::Args)]
pub struct Push {
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// [default: the name of the folder]
    pub name: Option<String>,
    /// Stay, and push again whenever a file is saved, until Ctrl-C
    #[arg(long, short, conflicts_with = "dry_run")]
    pub watch: bool,
    /// Only tell what would be uploaded and deleted
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub patience: Patience,
}

#[derive(clap::Args)]
pub struct Logs {
    #[arg(required_unless_present = "platform")]
    pub name: Option<String>,
    /// Only this service
    #[arg(long)]
    pub service: Option<String>,
    /// Lines from the end
    #[arg(long, short = 'n', default_value_t = 100, value_name = "LINES")]
    pub tail: usize,
    /// Go on printing what comes
    #[arg(long, short)]
    pub follow: bool,
    /// Begin each line with its time
    #[arg(long, short)]
    pub timestamps: bool,
    /// What the last installation or build said instead
    #[arg(long, conflicts_with_all = ["service", "timestamps"])]
    pub build: bool,
    /// What the platform says instead
    #[arg(long, conflicts_with_all = ["name", "service", "timestamps", "build"])]
    pub platform: bool,
}

#[derive(Subcommand)]
pub enum TokenAction {
    /// Make a token, and print it: it is not shown again
    Create(TokenCreate),
    /// List them, without what is secret of them
    Ls,
    /// Delete one: whoever has it is refused from then on
    Rm {
        /// Its id or its name
        token: String,
    },
}

#[derive(clap::Args)]
pub struct TokenCreate {
    /// Who or what it is for
    pub name: String,
    /// What may be done with it
    #[arg(long, value_enum, default_value_t = TokenRole::Read)]
    pub role: TokenRole,
    /// Only for this workspace, or those that match, such as `shop-*`; may be given several times
    #[arg(long = "workspace", short, value_name = "PATTERN")]
    pub workspaces: Vec<String>,
    /// When it ends: 30m, 12h, 90d [default: never]
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub expires: Option<u64>,
    /// A password to sign in with by name, read from stdin, instead of a token
    #[arg(long)]
    pub password: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TokenRole {
    /// Look
    Read,
    /// Also push to and change workspaces
    Deploy,
    /// Everything
    Admin,
}

/// `90d`, `12h`, `30m`, `45s`, in seconds.
fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no time such as 30m, 12h or 90d");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    count.checked_mul(seconds).filter(|seconds| *seconds > 0).ok_or_else(wrong)
}

/// How long to wait for what was asked.
#[derive(clap::Args, Clone, Copy)]
pub struct Patience {
    /// Give up waiting after this many seconds
    #[arg(long, default_value_t = 300, value_name = "S")]
    pub timeout: u64,
}

/// Where the platform listens; each overrides the configuration file.
#[derive(clap::Args, Clone, Default)]
pub struct Listen {
    /// Address of the S3 server [default: 127.0.0.1:9000]
    #[arg(long, env = "CLOUDYKNIGHT_S3_LISTEN", value_name = "ADDRESS")]
    pub s3_listen: Option<String>,
    /// Address of the edge, where the apps answer [default: 0.0.0.0:8080; 0.0.0.0:80 with a domain]
    #[arg(long, env = "CLOUDYKNIGHT_EDGE_LISTEN", value_name = "ADDRESS")]
    pub edge_listen: Option<String>,
    /// What carries the traffic: embedded, or traefik [default: embedded]
    #[arg(long, env = "CLOUDYKNIGHT_EDGE", value_name = "EDGE")]
    pub edge: Option<String>,
    /// Address of the API [default: 127.0.0.1:9100]
    #[arg(long, env = "CLOUDYKNIGHT_API_LISTEN", value_name = "ADDRESS")]
    pub api_listen: Option<String>,
    /// Workspaces answer at NAME.DOMAIN [default: localhost]
    #[arg(long, env = "CLOUDYKNIGHT_DOMAIN", value_name = "DOMAIN")]
    pub domain: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        let check = |text: &str, expected: Option<u64>| assert_eq!(seconds(text).ok(), expected, "{text}");
        check("90d", Some(7_776_000));
        check("12h", Some(43_200));
        check("30m", Some(1800));
        check("5s", Some(5));
        for wrong in ["", "d", "5", "0d", "-1d", "1.5h", "5 d", "999999999999999999d", "5\u{b5}"] {
            check(wrong, None);
        }
    }
}
