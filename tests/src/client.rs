//! The S3 clients that people have, as they are: each pushes with the real program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{run, run_with_input, succeeded};
use crate::server;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    Aws,
    Rclone,
    Boto3,
}

impl Client {
    pub const ALL: [Self; 3] = [Self::Aws, Self::Rclone, Self::Boto3];

    fn program(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Rclone => "rclone",
            Self::Boto3 => "python3",
        }
    }
}

/// A client with the endpoint and the credentials of one platform: `platform.s3(Client::Aws)`.
pub struct S3 {
    client: Client,
    /// What `cloudyknight env` says.
    variables: BTreeMap<String, String>,
    /// In place of the user's home, whose configuration is none of ours.
    home: PathBuf,
}

const BOTO3: &str = include_str!("boto3_client.py");

/// What programs for boto3 begin with.
const PROGRAM: &str = "
import sys, boto3
BUCKET = 'workspaces'
s3 = boto3.client('s3')
def put(key, body): s3.put_object(Bucket=BUCKET, Key=key, Body=body)
";

impl S3 {
    pub(crate) fn new(client: Client, variables: &BTreeMap<String, String>, home: &Path) -> Self {
        Self { client, variables: variables.clone(), home: home.to_owned() }
    }

    /// A client of another server, which needs no platform.
    pub fn at(client: Client, endpoint: &str) -> Self {
        let variables = server::variables(endpoint).map(|(name, value)| (name.to_owned(), value.to_owned()));
        // Where Debian says that no home is.
        Self { client, variables: variables.into(), home: PathBuf::from("/nonexistent") }
    }

    /// Copies one file to a key of the bucket `workspaces`.
    #[track_caller]
    pub fn cp(&self, file: &Path, key: &str) {
        let (file, target) = (text(file), self.target(key));
        match self.client {
            Client::Aws => self.push(&["s3", "cp", file, &target]),
            Client::Rclone => self.push(&["copyto", file, &target]),
            Client::Boto3 => self.push(&["-c", BOTO3, "cp", key, file]),
        }
    }

    /// Copies a folder to a workspace, as `aws s3 sync` does: what is there and not in the folder stays. (With rclone
    /// that is `copy`.)
    #[track_caller]
    pub fn sync(&self, folder: &Path, workspace: &str) {
        let (folder, target) = (text(folder), self.target(workspace));
        match self.client {
            Client::Aws => self.push(&["s3", "sync", folder, &target]),
            Client::Rclone => self.push(&["copy", folder, &target]),
            Client::Boto3 => self.push(&["-c", BOTO3, "sync", workspace, folder]),
        }
    }

    /// Deletes all of a workspace.
    #[track_caller]
    pub fn rm(&self, workspace: &str) {
        let target = self.target(workspace);
        match self.client {
            Client::Aws => self.push(&["s3", "rm", "--recursive", &target]),
            Client::Rclone => self.push(&["delete", &target]),
            Client::Boto3 => self.push(&["-c", BOTO3, "rm", workspace]),
        }
    }

    /// Deletes one key.
    #[track_caller]
    pub fn rm_one(&self, key: &str) {
        let target = self.target(key);
        match self.client {
            Client::Aws => self.push(&["s3", "rm", &target]),
            Client::Rclone => self.push(&["deletefile", &target]),
            Client::Boto3 => self.push(&["-c", BOTO3, "rm_one", key]),
        }
    }

    /// Puts bytes at a key. boto3 sends any key as it is; the others tidy up those that are no usual paths.
    #[track_caller]
    pub fn put(&self, key: &str, content: impl AsRef<[u8]>) {
        let target = self.target(key);
        let arguments: &[&str] = match self.client {
            Client::Aws => &["s3", "cp", "-", &target],
            Client::Rclone => &["rcat", &target],
            Client::Boto3 => &["-c", BOTO3, "put", key],
        };
        let output = run_with_input(self.command().args(arguments), content.as_ref());
        succeeded(&format!("{:?} puts {key:?}", self.client), &output);
    }

    /// How the client calls a key of the bucket.
    fn target(&self, key: &str) -> String {
        match self.client {
            Client::Aws => format!("s3://workspaces/{key}"),
            Client::Rclone => format!("ck:workspaces/{key}"),
            Client::Boto3 => key.to_owned(),
        }
    }

    /// Keys of the bucket `workspaces` that begin with `prefix`.
    #[track_caller]
    pub fn ls(&self, prefix: &str) -> Vec<String> {
        let target = self.target(prefix);
        let mut command = self.command();
        match self.client {
            Client::Aws => command.args(["s3", "ls", "--recursive", &target]),
            Client::Rclone => command.args(["lsf", "--recursive", "--files-only", &target]),
            Client::Boto3 => command.args(["-c", BOTO3, "ls", prefix]),
        };
        let output = succeeded(&format!("{:?} lists {prefix:?}", self.client), &run(&mut command));
        // Date, time and size come first in what aws prints.
        let columns = if self.client == Client::Aws { 4 } else { 1 };
        let key = |line: &str| line.splitn(columns, ' ').last().map(str::to_owned);
        output.lines().filter_map(key).collect()
    }

    /// A program in Python with boto3's `s3` and the bucket's name at hand, for pushes that no client has a command for.
    pub fn python(&self, program: &str, arguments: &[&str]) -> Command {
        assert_eq!(self.client, Client::Boto3, "boto3 is the one that can be programmed");
        let mut command = self.command();
        command.args(["-c", &format!("{PROGRAM}\n{program}")]).args(arguments);
        command
    }

    #[track_caller]
    fn push(&self, arguments: &[&str]) {
        let output = run(self.command().args(arguments));
        succeeded(&format!("{:?} pushes", self.client), &output);
    }

    /// The program with an environment that holds nothing of the machine's: no proxy, no certificates, no profile.
    fn command(&self) -> Command {
        let mut command = bare(self.client.program());
        command.env("HOME", &self.home);
        command.envs(self.variables.iter().filter(|(name, _)| name.starts_with("AWS_")));
        let endpoint = &self.variables["AWS_ENDPOINT_URL"];
        for (option, value) in
            [("TYPE", "s3"), ("PROVIDER", "Other"), ("ENV_AUTH", "true"), ("ENDPOINT", endpoint)]
        {
            command.env(format!("RCLONE_CONFIG_CK_{option}"), value);
        }
        command
    }
}

/// Python with boto3, for what is no push.
pub fn python() -> Command {
    bare("python3")
}

/// A program with an environment that holds nothing of the machine's.
fn bare(program: &str) -> Command {
    let mut command = Command::new(find(program));
    command.env_clear().env("LANG", "C.UTF-8").env("AWS_EC2_METADATA_DISABLED", "true");
    command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    for file in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "RCLONE_CONFIG"] {
        command.env(file, "/dev/null");
    }
    command
}

/// Among what test.sh installed, else on the PATH.
pub fn find(program: &str) -> PathBuf {
    let installed = std::env::var_os("CLOUDYKNIGHT_TEST_CLIENTS").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = installed.into_iter().chain(std::env::split_paths(&path));
    let found = folders.find_map(|folder| Some(folder.join(program)).filter(|file| file.is_file()));
    found.unwrap_or_else(|| {
        panic!("there is no `{program}`\nhint: ./test.sh installs the S3 clients and runs the tests")
    })
}

fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are UTF-8")
}
