//! Stories told in a real browser: the programs in `tests/browser/stories`, at the dashboard of a platform. What no
//! browser can do, such as a push, a story asks the test for, by a line that begins with `@`.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::platform::Platform;

/// A story, and what it is told.
pub struct Story<'a> {
    platform: &'a Platform,
    name: &'a str,
    variables: Vec<(&'a str, String)>,
    at: String,
}

impl<'a> Story<'a> {
    /// At `/monitor`.
    pub fn of(platform: &'a Platform, name: &'a str) -> Self {
        Self { platform, name, variables: Vec::new(), at: format!("{}/monitor", platform.url()) }
    }

    /// Something that the story knows by this name.
    #[must_use]
    pub fn variable(mut self, name: &'a str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Somewhere else than at `/monitor`.
    #[must_use]
    pub fn at(mut self, url: &str) -> Self {
        url.trim_end_matches('/').clone_into(&mut self.at);
        self
    }

    /// Tells it to its end, and answers what it printed. `deed` does what the story asks for.
    #[track_caller]
    pub fn told(self, mut deed: impl FnMut(&str)) -> String {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let file = root.join("browser/stories").join(format!("{}.mjs", self.name));
        let mut command = Command::new("node");
        command.arg(file).env("CLOUDYKNIGHT_TEST_BROWSER", driver());
        command.env("STORY_URL", &self.at);
        command.env("STORY_TOKEN", &self.platform.variables()["CLOUDYKNIGHT_TOKEN"]);
        command.envs(self.variables);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("the story `{}` cannot be told: {error}", self.name));
        let mut answers = child.stdin.take().expect("it was asked for");
        let mut printed = String::new();
        for line in BufReader::new(child.stdout.take().expect("it was asked for")).lines() {
            let line = line.expect("it prints text");
            match line.strip_prefix("@ ") {
                Some(asked) => {
                    deed(asked);
                    // A story that has ended in the meantime says why.
                    let _ = answers.write_all(b"\n");
                }
                None => printed.push_str(&format!("{line}\n")),
            }
        }
        let status = child.wait().expect("it ends");
        assert!(status.success(), "the story `{}`: {status}; what it saw stands above\n{printed}", self.name);
        printed
    }

    /// The same for one that asks for nothing.
    #[track_caller]
    pub fn told_alone(self) -> String {
        let name = self.name.to_owned();
        self.told(|asked| panic!("`{name}` asks for {asked:?}, and nobody is there"))
    }
}

/// What drives the browser: test.sh says where it is installed.
pub fn driver() -> PathBuf {
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-browser");
    let folder = std::env::var_os("CLOUDYKNIGHT_TEST_BROWSER").map_or(usual, PathBuf::from);
    assert!(
        folder.join("node_modules/playwright-core").is_dir(),
        "there is no browser's driver in {}\nhint: ./test.sh installs it; CLOUDYKNIGHT_TEST_BROWSER names another folder",
        folder.display()
    );
    folder
}
