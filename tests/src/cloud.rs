//! The AWS side as a stranger deploys it: `infra/deploy.sh` with the template, on Ministack, which carries it out and runs
//! the functions for real.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::python;
use crate::platform::{Builder, Platform};
use crate::run::{run, run_with_input, stderr, succeeded};
use crate::server::{ACCESS_KEY, Ministack, SECRET_KEY, variables};
use crate::sqs::Sqs;

const FUNCTIONS: [&str; 4] = ["object_changed", "sweep", "dead_letter", "ingest"];
pub const ACCOUNT: &str = "000000000000";

/// The server, and what it takes to deploy there.
pub struct Cloud {
    server: Ministack,
    zips: PathBuf,
    folder: TempDir,
}

/// Who asks: an access key and its secret.
#[derive(Clone, Debug)]
pub struct Key {
    pub id: String,
    pub secret: String,
}

impl Key {
    /// Whose server it is, and who may do everything.
    pub fn root() -> Self {
        Self { id: ACCESS_KEY.to_owned(), secret: SECRET_KEY.to_owned() }
    }
}

impl Cloud {
    pub fn start() -> Self {
        Self::of(Ministack::start())
    }

    /// One that lets nobody do what no policy allows.
    pub fn enforcing() -> Self {
        Self::of(Ministack::enforcing())
    }

    fn of(server: Ministack) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let given = std::env::var_os("CLOUDYKNIGHT_TEST_LAMBDA_DIR").map(PathBuf::from);
        let zips = given.unwrap_or_else(|| pack(folder.path()));
        Self { server, zips, folder }
    }

    pub fn endpoint(&self) -> &str {
        self.server.endpoint()
    }

    /// A folder of the test's own.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs the script, which must succeed, and answers what it printed and what it said.
    #[track_caller]
    pub fn deploy(&self, options: &[&str]) -> (String, String) {
        let output = self.script(options);
        (succeeded("infra/deploy.sh", &output), stderr(&output))
    }

    #[track_caller]
    pub fn delete(&self, options: &[&str]) -> String {
        let output = self.script(&[&["--delete"], options].concat());
        assert_eq!(succeeded("infra/deploy.sh --delete", &output), "");
        stderr(&output)
    }

    pub fn script(&self, options: &[&str]) -> Output {
        let mut command = self.command("bash", &Key::root());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/deploy.sh");
        command.arg(script).arg("--zips").arg(&self.zips).args(options);
        run(&mut command)
    }

    #[track_caller]
    pub fn aws(&self, arguments: &[&str]) -> String {
        self.aws_as(&Key::root(), arguments)
    }

    /// The same as somebody who may do less.
    #[track_caller]
    pub fn aws_as(&self, key: &Key, arguments: &[&str]) -> String {
        let output = run(self.command("aws", key).args(arguments));
        succeeded(&format!("aws {}", arguments.join(" ")), &output)
    }

    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let answer = self.aws(&[arguments, &["--output", "json"]].concat());
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {answer}"))
    }

    /// One of the stack's outputs.
    #[track_caller]
    pub fn output(&self, name: &str) -> String {
        let query = format!("Stacks[0].Outputs[?OutputKey=='{name}'].OutputValue | [0]");
        let value = self.json(&["cloudformation", "describe-stacks", "--query", &query]);
        value.as_str().unwrap_or_else(|| panic!("the stack has no output {name}")).to_owned()
    }

    /// A new access key of this user.
    #[track_caller]
    pub fn key_of(&self, user: &str) -> Key {
        let made = self.json(&["iam", "create-access-key", "--user-name", user]);
        let text = |name: &str| made["AccessKey"][name].as_str().expect("a key").to_owned();
        Key { id: text("AccessKeyId"), secret: text("SecretAccessKey") }
    }

    /// What boto3 is answered when `key` asks for each (service, operation, arguments): "done", or the error's code.
    #[track_caller]
    pub fn asked(&self, key: &Key, requests: &[(&str, &str, Value)]) -> Vec<String> {
        let requests: Vec<Value> =
            requests.iter().map(|(service, operation, given)| json!([service, operation, given])).collect();
        let answers = self.python_as(key, ASKED, &json!(requests));
        serde_json::from_value(answers).expect("a list of words")
    }

    /// Runs a program with boto3, which reads JSON and prints JSON.
    #[track_caller]
    pub fn python_as(&self, key: &Key, program: &str, given: &Value) -> Value {
        let mut command = python();
        command.args(["-c", program]).envs(self.variables(key));
        let answer = succeeded("boto3", &run_with_input(&mut command, given.to_string().as_bytes()));
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// Sweeps now, and answers what the function does.
    #[track_caller]
    pub fn sweep(&self) -> Value {
        let file = self.folder.path().join("swept.json");
        let path = file.to_str().expect("a path in UTF-8");
        self.aws(&["lambda", "invoke", "--function-name", "cloudyknight-sweep", path]);
        let answer = std::fs::read_to_string(&file).expect("an answer");
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    pub fn queue(&self, name: &str) -> Sqs {
        let queue = Sqs::at(self.endpoint(), &format!("{}/{ACCOUNT}/{name}", self.endpoint()));
        match self.server.certificate() {
            Some(certificate) => queue.trusting(certificate),
            None => queue,
        }
    }

    /// A platform with the configuration as it was printed, and with this identity.
    pub fn platform_as(&self, key: &Key, configuration: &str) -> Builder {
        let mut builder = Platform::builder();
        for (name, value) in configuration.lines().filter_map(|line| line.split_once(" = ")) {
            builder = builder.setting(name, value);
        }
        builder =
            builder.variable("AWS_ACCESS_KEY_ID", &key.id).variable("AWS_SECRET_ACCESS_KEY", &key.secret);
        match self.server.certificate() {
            Some(path) => builder.variable("SSL_CERT_FILE", path.to_str().expect("a path in UTF-8")),
            None => builder,
        }
    }

    fn variables(&self, key: &Key) -> Vec<(String, String)> {
        let mut all: Vec<_> = variables(self.endpoint())
            .into_iter()
            .map(|(name, value)| match name {
                "AWS_ACCESS_KEY_ID" => (name.to_owned(), key.id.clone()),
                "AWS_SECRET_ACCESS_KEY" => (name.to_owned(), key.secret.clone()),
                _ => (name.to_owned(), value.to_owned()),
            })
            .collect();
        if let Some(path) = self.server.certificate() {
            all.push(("AWS_CA_BUNDLE".to_owned(), path.display().to_string()));
        }
        all
    }

    /// A program that knows this server and nothing else of the machine's.
    fn command(&self, program: &str, key: &Key) -> Command {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let clients = std::env::var_os("CLOUDYKNIGHT_TEST_CLIENTS").map(PathBuf::from);
        let path = std::env::join_paths(clients.into_iter().chain(std::env::split_paths(&path)));
        let path = path.expect("a path");
        let mut command = Command::new("env");
        command.env_clear().env("PATH", path).env("LANG", "C.UTF-8").env("HOME", self.folder.path());
        command.envs(self.variables(key)).arg(program);
        command
    }
}

const ASKED: &str = r#"
import json, sys, boto3
from botocore.exceptions import ClientError
def ask(service, operation, given):
    try:
        getattr(boto3.client(service), operation)(**given)
        return "done"
    except ClientError as error:
        return error.response["Error"]["Code"]
print(json.dumps([ask(*request) for request in json.load(sys.stdin)]))
"#;

/// The functions as they were built for the tests, each as a zip file. Releases of them are another matter, and slow to
/// build; CLOUDYKNIGHT_TEST_LAMBDA_DIR names a folder of those.
fn pack(folder: &Path) -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/debug/cloudyknight");
    let built = std::env::var_os("CLOUDYKNIGHT_TEST_BIN").map_or(built, PathBuf::from);
    let built = built.parent().expect("the folder of the binaries");
    for name in FUNCTIONS {
        let function = folder.join(name);
        std::fs::create_dir(&function).expect("a folder");
        // Debug information is most of it, and would have to be uploaded.
        let mut strip = Command::new("strip");
        strip.arg("-o").arg(function.join("bootstrap")).arg(built.join(name));
        succeeded(&format!("strip {name}"), &run(&mut strip));
        let mut zip = Command::new("python3");
        zip.args(["-m", "zipfile", "-c", "bootstrap.zip", "bootstrap"]).current_dir(&function);
        succeeded(&format!("packing {name}"), &run(&mut zip));
    }
    folder.to_owned()
}
