//! Which compose file a workspace has, and the one it gets when it has none.
//!
//! The default file is real text that goes through the same parser as any other: people see it in `status`, and
//! may copy it into their workspace and change it.

use cloudyknight_core::workspace::WorkspaceName;

use super::model::ComposeError;
use super::problem::{Problem, listed, quoted};

/// In the Compose specification's order of preference.
const FILES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
const OVERRIDES: [&str; 4] = [
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];
/// Under which the default file appears in errors, and under which people would save it.
const DEFAULT_FILE: &str = "docker-compose.yml";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detected {
    /// The workspace has a compose file, at this path.
    File { name: String, warning: Option<String> },
    /// It has none, and gets this one.
    Default { text: String },
}

/// `paths` tells whether a file exists in the workspace.
///
/// # Errors
/// Nothing in the workspace tells how to run it.
pub fn detect(workspace: &WorkspaceName, paths: &dyn Fn(&str) -> bool) -> Result<Detected, ComposeError> {
    let files: Vec<&str> = FILES.into_iter().filter(|path| paths(path)).collect();
    if let [name, others @ ..] = files.as_slice() {
        let overrides = OVERRIDES.into_iter().filter(|path| paths(path));
        let unread: Vec<&str> = others.iter().copied().chain(overrides).collect();
        let warning = format!(
            "{} is used; {} has no effect: one compose file is read",
            quoted(name),
            listed(unread.iter().copied())
        );
        return Ok(Detected::File {
            name: (*name).to_owned(),
            warning: (!unread.is_empty()).then_some(warning),
        });
    }
    match KINDS.iter().find(|kind| paths(kind.file)) {
        Some(kind) => Ok(Detected::Default { text: kind.text(workspace) }),
        None => Err(nothing_fits(workspace, paths).into_error(DEFAULT_FILE)),
    }
}

/// What one file in a workspace says about how to run it.
struct Kind {
    file: &'static str,
    image: &'static str,
    rest: &'static str,
}

/// The first that fits counts.
const KINDS: [Kind; 3] = [
    Kind { file: "Dockerfile", image: "build: .", rest: "" },
    Kind {
        file: "package.json",
        image: "image: workspace-node-ephemeral:latest",
        rest: "    volumes:
      - .:/workspace:ro
    environment:
      PORT: 3000
    expose:
      - 3000
",
    },
    Kind {
        file: "index.html",
        image: "image: workspace-static-ephemeral:latest",
        rest: "    volumes:
      - .:/workspace:ro
    expose:
      - 8080
",
    },
];

impl Kind {
    fn text(&self, workspace: &WorkspaceName) -> String {
        let (file, key) = (with_article(self.file), yaml_key(workspace.as_str()));
        let Self { image, rest, .. } = self;
        format!(
            "# Made by CloudyKnight: this workspace has no compose file, but it has {file}.
# To change it, save it as {DEFAULT_FILE} in the workspace.
services:
  {key}:
    {image}
    container_name: workspace-{workspace}
{rest}"
        )
    }
}

fn with_article(file: &str) -> String {
    let article = if file.starts_with('i') { "an" } else { "a" };
    format!("{article} {file}")
}

/// A workspace may be called `on`, `null` or `1e3`, which other readers of YAML take for something else than text.
fn yaml_key(name: &str) -> String {
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let text = name.starts_with(|c: char| c.is_ascii_lowercase()) && !words.contains(&name);
    if text { name.to_owned() } else { format!("\"{name}\"") }
}

fn nothing_fits(workspace: &WorkspaceName, paths: &dyn Fn(&str) -> bool) -> Problem {
    let wanted = || FILES.into_iter().chain(KINDS.iter().map(|kind| kind.file));
    let problem = Problem::whole("the workspace has no compose file, and nothing that tells how to run it");
    // The folder itself uploaded, and not what is in it: the usual mistake.
    if wanted().any(|file| paths(&format!("{workspace}/{file}"))) {
        problem.hint(format!(
            "the app lies in the folder `{workspace}` of the workspace: upload what is in it, not the folder"
        ))
    } else {
        problem.hint(format!("upload one of these: {}", listed(wanted())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(files: &[&str], workspace: &str) -> Result<Detected, ComposeError> {
        detect(&workspace.parse().unwrap(), &|path| files.contains(&path))
    }

    #[test]
    fn the_specification_s_order_of_preference_decides() {
        let check = |files: &[&str], expected: &str, expected_warning: Option<&str>| {
            let Ok(Detected::File { name, warning }) = run(files, "app") else { panic!("{files:?}") };
            assert_eq!((name.as_str(), warning.as_deref()), (expected, expected_warning));
        };
        check(&["docker-compose.yml", "package.json"], "docker-compose.yml", None);
        check(&["docker-compose.yaml"], "docker-compose.yaml", None);
        check(&["compose.yml"], "compose.yml", None);
        check(
            &["docker-compose.yml", "docker-compose.yaml", "compose.yml", "compose.yaml"],
            "compose.yaml",
            Some(
                "`compose.yaml` is used; `compose.yml`, `docker-compose.yml`, `docker-compose.yaml` has no effect: \
                 one compose file is read",
            ),
        );
        check(
            &["docker-compose.yml", "docker-compose.override.yml"],
            "docker-compose.yml",
            Some(
                "`docker-compose.yml` is used; `docker-compose.override.yml` has no effect: one compose file is read",
            ),
        );
    }

    fn default_text(files: &[&str], workspace: &str) -> String {
        match run(files, workspace) {
            Ok(Detected::Default { text }) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_workspace_without_a_compose_file_gets_one_that_can_be_copied() {
        assert_eq!(
            default_text(&["index.html", "package.json"], "hello"),
            "# Made by CloudyKnight: this workspace has no compose file, but it has a package.json.\n\
             # To change it, save it as docker-compose.yml in the workspace.\n\
             services:\n  hello:\n    image: workspace-node-ephemeral:latest\n    \
             container_name: workspace-hello\n    volumes:\n      - .:/workspace:ro\n    \
             environment:\n      PORT: 3000\n    expose:\n      - 3000\n"
        );
        assert!(
            default_text(&["index.html"], "hello").contains("image: workspace-static-ephemeral:latest\n")
        );
        assert!(default_text(&["Dockerfile", "package.json"], "hello").contains("build: .\n"));
        assert!(default_text(&["index.html"], "1e3").contains("\n  \"1e3\":\n"));
        assert!(default_text(&["index.html"], "on").contains("\n  \"on\":\n"));
    }

    #[test]
    fn where_nothing_fits_the_error_says_what_would() {
        let check = |files: &[&str], hint: &str| {
            let error = run(files, "app").unwrap_err();
            assert_eq!(
                error.message,
                "the workspace has no compose file, and nothing that tells how to run it"
            );
            assert_eq!(error.hint.as_deref(), Some(hint));
        };
        let wanted = "upload one of these: `compose.yaml`, `compose.yml`, `docker-compose.yml`, `docker-compose.yaml`, \
                      `Dockerfile`, `package.json`, `index.html`";
        check(&[], wanted);
        check(&["notes.txt", "other/package.json"], wanted);
        check(
            &["app/index.html"],
            "the app lies in the folder `app` of the workspace: upload what is in it, not the folder",
        );
    }
}
