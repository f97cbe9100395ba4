//! What rclone is started with: its arguments, which everybody on the machine can read, and its environment, which holds
//! the credentials and nothing of anybody else's settings. Pure.

use std::path::{Path, PathBuf};

use cloudyknight_store::aws::StaticCredentials;
use cloudyknight_store::embedded::AGENT;

/// What is to be mounted, and how.
pub struct Mount<'a> {
    pub dir: &'a Path,
    pub bucket: &'a str,
    pub device: &'a str,
    pub cache: PathBuf,
    pub control: PathBuf,
    /// After which time a folder that is looked at is listed again; `None` where the store tells of changes before it
    /// acknowledges them.
    pub relist_ms: Option<u64>,
    /// Whom the files belong to, where that is not whoever mounts.
    pub owner: Option<(String, String)>,
    pub is_root: bool,
    /// This program, as the gate.
    pub program: &'a Path,
    pub exclude: &'a [String],
}

/// The store, as rclone reaches it.
pub struct Access<'a> {
    pub endpoint: &'a str,
    pub region: &'a str,
    pub path_style: bool,
    pub is_aws: bool,
    /// `None` for those that change with time: rclone finds them as every AWS tool does.
    pub credentials: Option<&'a StaticCredentials>,
}

const REMOTE: &str = "ck";

/// Long enough for a program that writes a file beside and renames it: one that is uploaded before it is renamed would
/// appear in the bucket under both names.
const WRITE_BACK: &str = "100ms";
/// Where the store tells of changes. It is told of every one, so that this could be longer still.
const TOLD: &str = "5m";
/// Where it does not: for so long after a folder was looked at, a change in it may be missed. Shorter, and a look at each
/// file of a folder lists the whole folder each time; with 0, a folder that was just made is gone again.
pub const RELIST_MS: u64 = 50;
/// How long what was uploaded stays on the disk.
const CACHED: &str = "10s";

pub fn arguments(mount: &Mount<'_>) -> Vec<String> {
    let path = |path: &Path| path.display().to_string();
    let mut arguments = vec!["mount".to_owned(), format!("{REMOTE}:{}", mount.bucket), path(mount.dir)];
    let dir_cache = mount.relist_ms.map_or_else(|| TOLD.to_owned(), |time| format!("{}ms", time.max(1)));
    let mut option = |name: &str, value: String| arguments.push(format!("--{name}={value}"));
    // Reading goes to the bucket, and only what is written lies on the disk for a while.
    option("vfs-cache-mode", "writes".into());
    option("vfs-write-back", WRITE_BACK.into());
    option("vfs-cache-max-age", CACHED.into());
    option("vfs-cache-poll-interval", CACHED.into());
    option("dir-cache-time", dir_cache);
    // The kernel is to ask each time.
    option("attr-timeout", "0s".into());
    option("poll-interval", "0".into());
    option("cache-dir", path(&mount.cache));
    option("devname", mount.device.into());
    option("rc-addr", format!("unix://{}", path(&mount.control)));
    // It tells what was uploaded; the keeper wants to know that, and no log does.
    option("log-level", "INFO".into());
    // Of what it does itself the store need not tell it.
    option("user-agent", AGENT.into());
    // Source may hold what is not for everybody on the machine.
    option("umask", "077".into());
    if let Some((user, group)) = &mount.owner {
        option("uid", user.clone());
        option("gid", group.clone());
    }
    option("metadata-mapper", gate(mount));
    arguments.extend(["--metadata", "--default-permissions", "--rc", "--rc-no-auth"].map(str::to_owned));
    // Others are let in by whom the files belong to; only root may let anybody in.
    if mount.is_root {
        arguments.push("--allow-other".to_owned());
    }
    arguments
}

/// The gate as rclone reads a list of words: in CSV, with spaces between them.
fn gate(mount: &Mount<'_>) -> String {
    let program = mount.program.display().to_string();
    let words =
        [program, "mount-gate".to_owned(), "--".to_owned()].into_iter().chain(mount.exclude.iter().cloned());
    let quoted = |word: String| {
        if word.contains([' ', '"']) { format!("\"{}\"", word.replace('"', "\"\"")) } else { word }
    };
    words.map(quoted).collect::<Vec<_>>().join(" ")
}

pub fn environment(access: &Access<'_>) -> Vec<(String, String)> {
    let mut variables = vec![("RCLONE_CONFIG".to_owned(), "/dev/null".to_owned())];
    let mut option = |name: &str, value: &str| {
        variables.push((format!("RCLONE_CONFIG_{}_{name}", REMOTE.to_uppercase()), value.to_owned()));
    };
    option("TYPE", "s3");
    option("PROVIDER", if access.is_aws { "AWS" } else { "Other" });
    option("ENDPOINT", access.endpoint);
    option("REGION", access.region);
    option("FORCE_PATH_STYLE", if access.path_style { "true" } else { "false" });
    // It is there, and asking needs a right that need not be.
    option("NO_CHECK_BUCKET", "true");
    match access.credentials {
        Some(credentials) => {
            option("ACCESS_KEY_ID", &credentials.access_key);
            option("SECRET_ACCESS_KEY", &credentials.secret_key);
        }
        None => option("ENV_AUTH", "true"),
    }
    variables
}

/// What rclone gets of our own environment beside that: how to reach anything at all.
pub const PASSED_ON: [&str; 11] = [
    "PATH",
    "HOME",
    "LANG",
    "TZ",
    "TMPDIR",
    "HTTPS_PROXY",
    "https_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// The same where credentials change with time.
pub const OF_AWS: [&str; 11] = [
    "AWS_PROFILE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(exclude: &[String]) -> Vec<String> {
        arguments(&Mount {
            dir: Path::new("/workspaces"),
            bucket: "workspaces",
            device: "cloudyknight-1",
            cache: "/home/mount".into(),
            control: "/home/run/rclone.sock".into(),
            relist_ms: None,
            owner: Some(("1000".into(), "1000".into())),
            is_root: true,
            program: Path::new("/opt/my programs/cloudyknight"),
            exclude,
        })
    }

    #[test]
    fn the_gate_is_one_list_of_words() {
        let arguments = mount(&["node_modules".to_owned(), ".env".to_owned()]);
        let gate = "--metadata-mapper=\"/opt/my programs/cloudyknight\" mount-gate -- node_modules .env";
        assert!(arguments.iter().any(|argument| argument == gate), "{arguments:?}");
    }

    #[test]
    fn credentials_are_in_the_environment_and_in_no_argument() {
        let credentials =
            StaticCredentials { access_key: "KEY".into(), secret_key: "SECRET".into(), session_token: None };
        let access = Access {
            endpoint: "http://127.0.0.1:9000",
            region: "us-east-1",
            path_style: true,
            is_aws: false,
            credentials: Some(&credentials),
        };
        let variables = environment(&access);
        for value in ["KEY", "SECRET"] {
            assert!(variables.iter().any(|(_, known)| known == value), "{value}");
            assert!(!mount(&[]).iter().any(|argument| argument.contains(value)), "{value}");
        }
    }
}
