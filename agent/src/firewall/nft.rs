//! The program `nft`, which changes the kernel's tables.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

#[derive(Debug, thiserror::Error)]
pub enum NftError {
    #[error("the program `nft` is not installed")]
    Missing,
    #[error("`nft` could not be run")]
    Run(#[source] std::io::Error),
    #[error("`nft` did not answer within {} s", LIMIT.as_secs())]
    TooLong,
    #[error("`nft` refused: {0}")]
    Refused(String),
}

impl NftError {
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Missing => "install it: `apt-get install nftables`",
            Self::Refused(message) if message.contains("not permitted") => {
                "run the agent as root, or give it the capability CAP_NET_ADMIN in the network of the host"
            }
            Self::Run(_) | Self::TooLong | Self::Refused(_) => {
                "`nft list ruleset` as root shows whether this kernel has nf_tables"
            }
        }
    }

    fn says_that_nothing_is_there(&self) -> bool {
        matches!(self, Self::Refused(message) if message.contains("No such file or directory"))
    }
}

const LIMIT: Duration = Duration::from_secs(10);
/// Where the path of a service or of an ordinary user does not lead.
const PLACES: [&str; 3] = ["nft", "/usr/sbin/nft", "/sbin/nft"];

pub async fn apply(text: &str) -> Result<(), NftError> {
    run(&["-f", "-"], text).await.map(drop)
}

/// The table as the kernel has it; `None` when there is none.
pub async fn list(table: &str) -> Result<Option<String>, NftError> {
    match run(&["list", "table", "inet", table], "").await {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.says_that_nothing_is_there() => Ok(None),
        Err(error) => Err(error),
    }
}

pub async fn delete(table: &str) -> Result<(), NftError> {
    match run(&["delete", "table", "inet", table], "").await {
        Err(error) if error.says_that_nothing_is_there() => Ok(()),
        other => other.map(drop),
    }
}

async fn run(arguments: &[&str], input: &str) -> Result<String, NftError> {
    for place in PLACES {
        let mut command = Command::new(place);
        command.args(arguments).env("LC_ALL", "C").kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(NftError::Run(error)),
        };
        let talk = async {
            if let Some(mut stdin) = child.stdin.take() {
                // One that ended before it read everything says why on its own.
                drop(stdin.write_all(input.as_bytes()).await);
            }
            child.wait_with_output().await
        };
        let output = tokio::time::timeout(LIMIT, talk).await.map_err(|_| NftError::TooLong)?;
        let output = output.map_err(NftError::Run)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let first = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("without a word");
        return Err(NftError::Refused(first.trim().to_owned()));
    }
    Err(NftError::Missing)
}
