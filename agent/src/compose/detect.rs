//! Which compose files a workspace has, and the one it gets when it has none.
//!
//! The default file is real text that goes through the same parser as any other: people see it in `status`, and
//! may copy it into their workspace and change it.

use std::collections::BTreeMap;

use cloudyknight_core::workspace::WorkspaceName;

use super::env_file::{self, Format};
use super::interpolate::Source;
use super::model::ComposeError;
use super::problem::{FileId, Position, Problem, listed, quoted};
use super::workspace_path::{Place, place};

/// In the Compose specification's order of preference.
const FILES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
/// In the order of preference that Compose v2 has.
const OVERRIDES: [&str; 4] = [
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];
/// Under which the default file appears in errors, and under which people would save it.
const DEFAULT_FILE: &str = "docker-compose.yml";

/// In `.env`: the compose files to read, in place of those that are found by their names.
const COMPOSE_FILE: &str = "COMPOSE_FILE";
const COMPOSE_PATH_SEPARATOR: &str = "COMPOSE_PATH_SEPARATOR";
/// Of the files that `COMPOSE_FILE` names.
const MAX_FILES: usize = 20;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detected {
    /// The workspace has compose files, at these paths: at least one, each merged over those before it.
    Files { names: Vec<String>, warnings: Vec<String> },
    /// It has none, and gets this one.
    Default { text: String, warnings: Vec<String> },
}

/// `files` gives the content of a small text file of the workspace, `paths` tells whether one exists.
///
/// # Errors
/// Nothing in the workspace tells how to run it, or `COMPOSE_FILE` in its `.env` names what is not there.
pub fn detect(
    workspace: &WorkspaceName,
    files: &dyn Fn(&str) -> Option<String>,
    paths: &dyn Fn(&str) -> bool,
    variables: &BTreeMap<String, String>,
) -> Result<Detected, ComposeError> {
    let named = named_in_dotenv(workspace, files, paths, variables);
    if let Some(names) = named.map_err(|problem| problem.into_error(&[".env".to_owned()]))? {
        return Ok(Detected::Files { names, warnings: Vec::new() });
    }
    let found: Vec<&str> = FILES.into_iter().filter(|path| paths(path)).collect();
    let overrides: Vec<&str> = OVERRIDES.into_iter().filter(|path| paths(path)).collect();
    let mut warnings = Vec::new();
    for several in [&found, &overrides] {
        if let [used, others @ ..] = several.as_slice()
            && !others.is_empty()
        {
            let have = if others.len() == 1 { "has" } else { "have" };
            let others = listed(others.iter().copied());
            warnings.push(format!("{} is used; {others} {have} no effect beside it", quoted(used)));
        }
    }
    if let Some(main) = found.first() {
        let names = [Some(main), overrides.first()].into_iter().flatten();
        return Ok(Detected::Files { names: names.map(|name| (*name).to_owned()).collect(), warnings });
    }
    match KINDS.iter().find(|kind| paths(kind.file)) {
        Some(kind) => {
            warnings.clear();
            if !overrides.is_empty() {
                let overrides = listed(overrides.iter().copied());
                warnings.push(format!("{overrides}: no effect without a compose file to override"));
            }
            Ok(Detected::Default { text: kind.text(workspace), warnings })
        }
        None => Err(nothing_fits(workspace, paths).into_error(&[DEFAULT_FILE.to_owned()])),
    }
}

/// The files that the workspace's `.env` names, as Compose takes them from there.
fn named_in_dotenv(
    workspace: &WorkspaceName,
    files: &dyn Fn(&str) -> Option<String>,
    paths: &dyn Fn(&str) -> bool,
    variables: &BTreeMap<String, String>,
) -> Result<Option<Vec<String>>, Problem> {
    let Some(text) = files(".env").filter(|text| text.contains(COMPOSE_FILE)) else { return Ok(None) };
    let mut source = Source {
        lookup: &|name| variables.get(name).map(String::as_str),
        unset: &mut |_| {},
        room: &mut (1 << 20),
    };
    let dotenv = env_file::read(&text, Format::Usual, &mut source).map_err(|error| {
        Problem::at(Position { file: FileId::default(), line: error.line, column: 1 }, error.to_string())
    })?;
    let Some(list) = dotenv.get(COMPOSE_FILE).filter(|list| !list.is_empty()) else { return Ok(None) };
    let separator = dotenv.get(COMPOSE_PATH_SEPARATOR).map_or(":", String::as_str);
    let separator = if separator.is_empty() { ":" } else { separator };
    let mut names = Vec::new();
    for path in list.split(separator).filter(|path| !path.is_empty()) {
        let what = format!("`{COMPOSE_FILE}`: {}", quoted(path));
        match place(path, workspace) {
            Place::Workspace(inside) if files(&inside).is_some() => names.push(inside),
            Place::Workspace(inside) if paths(&inside) => {
                return Err(Problem::whole(format!("{what} is no small text file")));
            }
            Place::Workspace(_) => {
                return Err(Problem::whole(format!("{what} does not exist in the workspace"))
                    .hint("upload it, or remove the line from `.env`"));
            }
            _ => {
                return Err(Problem::whole(format!("{what} is refused: it lies outside of the workspace"))
                    .hint("paths start from the folder of `.env`")
                    .by_policy());
            }
        }
    }
    if names.len() > MAX_FILES {
        return Err(Problem::whole(format!("`{COMPOSE_FILE}`: more than {MAX_FILES} files")));
    }
    Ok((!names.is_empty()).then_some(names))
}

/// What one file in a workspace says about how to run it.
struct Kind {
    file: &'static str,
    image: &'static str,
    rest: &'static str,
}

/// The first that fits counts.
const KINDS: [Kind; 5] = [
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
    Kind { file: "requirements.txt", image: PYTHON, rest: PYTHON_REST },
    Kind { file: "app.py", image: PYTHON, rest: PYTHON_REST },
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

const PYTHON: &str = "image: workspace-python-ephemeral:latest";
const PYTHON_REST: &str = "    volumes:
      - .:/workspace:ro
    environment:
      PORT: 8000
    expose:
      - 8000
";

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
    let article = if file.starts_with(['a', 'i']) { "an" } else { "a" };
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
        detect(&workspace.parse().unwrap(), &|_| None, &|path| files.contains(&path), &BTreeMap::new())
    }

    #[test]
    fn the_order_of_preference_decides_and_one_override_file_is_merged_over_it() {
        let check = |files: &[&str], expected: &[&str], expected_warnings: &[&str]| {
            let Ok(Detected::Files { names, warnings }) = run(files, "app") else { panic!("{files:?}") };
            assert_eq!((names, warnings), (owned(expected), owned(expected_warnings)));
        };
        check(&["docker-compose.yml", "package.json"], &["docker-compose.yml"], &[]);
        check(&["docker-compose.yaml"], &["docker-compose.yaml"], &[]);
        check(&["compose.yml"], &["compose.yml"], &[]);
        check(
            &["docker-compose.yml", "docker-compose.yaml", "compose.yml", "compose.yaml"],
            &["compose.yaml"],
            &[
                "`compose.yaml` is used; `compose.yml`, `docker-compose.yml`, `docker-compose.yaml` have no effect \
               beside it",
            ],
        );
        check(
            &["docker-compose.yml", "docker-compose.override.yml"],
            &["docker-compose.yml", "docker-compose.override.yml"],
            &[],
        );
        check(
            &["docker-compose.yml", "docker-compose.override.yaml", "compose.override.yaml"],
            &["docker-compose.yml", "compose.override.yaml"],
            &["`compose.override.yaml` is used; `docker-compose.override.yaml` has no effect beside it"],
        );
        let Ok(Detected::Default { warnings, .. }) = run(&["index.html", "compose.override.yml"], "app")
        else {
            panic!()
        };
        assert_eq!(warnings, ["`compose.override.yml`: no effect without a compose file to override"]);
    }

    fn owned(list: &[&str]) -> Vec<String> {
        list.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn the_variable_compose_file_names_the_files() {
        let run = |dotenv: &str| {
            let text = |path: &str| match path {
                ".env" => Some(dotenv.to_owned()),
                "compose.yaml" | "deploy/a.yml" | "b.yml" => Some("services: {}".to_owned()),
                _ => None,
            };
            let exists = |path: &str| text(path).is_some() || path == "deploy";
            let variables = BTreeMap::from([("WHERE".to_owned(), "deploy".to_owned())]);
            detect(&"app".parse().unwrap(), &text, &exists, &variables)
        };
        let check = |dotenv: &str, expected: &[&str]| {
            let expected = Detected::Files { names: owned(expected), warnings: vec![] };
            assert_eq!(run(dotenv), Ok(expected), "{dotenv}");
        };
        check("A=1", &["compose.yaml"]);
        check("COMPOSE_FILE=", &["compose.yaml"]);
        check("COMPOSE_FILE=b.yml", &["b.yml"]);
        check("COMPOSE_FILE=./${WHERE}/a.yml:b.yml", &["deploy/a.yml", "b.yml"]);
        check(
            "COMPOSE_PATH_SEPARATOR=;\nCOMPOSE_FILE=b.yml;/workspaces/app/deploy/a.yml",
            &["b.yml", "deploy/a.yml"],
        );
        let fails = |dotenv: &str, expected: &str| {
            assert_eq!(run(dotenv).unwrap_err().to_string(), expected, "{dotenv}");
        };
        fails("COMPOSE_FILE=c.yml", ".env: `COMPOSE_FILE`: `c.yml` does not exist in the workspace");
        fails("COMPOSE_FILE=deploy", ".env: `COMPOSE_FILE`: `deploy` is no small text file");
        fails(
            "COMPOSE_FILE=../x/c.yml",
            ".env: `COMPOSE_FILE`: `../x/c.yml` is refused: it lies outside of the workspace",
        );
        fails(
            "COMPOSE_FILE=/etc/passwd",
            ".env: `COMPOSE_FILE`: `/etc/passwd` is refused: it lies outside of the workspace",
        );
        fails("A=1\nCOMPOSE_FILE='x", ".env:2:1: a quote (') is opened here and never closed");
    }

    fn default_text(files: &[&str], workspace: &str) -> String {
        match run(files, workspace) {
            Ok(Detected::Default { text, .. }) => text,
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
        for files in [["requirements.txt", "main.py"], ["app.py", "index.html"]] {
            let text = default_text(&files, "hello");
            assert!(text.contains("image: workspace-python-ephemeral:latest\n"), "{text}");
            assert!(text.contains("PORT: 8000") && text.contains("expose:\n      - 8000"), "{text}");
        }
        assert!(default_text(&["app.py"], "hello").contains("it has an app.py."));
        assert!(default_text(&["app.py", "package.json"], "hello").contains("workspace-node-ephemeral"));
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
                      `Dockerfile`, `package.json`, `requirements.txt`, `app.py`, `index.html`";
        check(&[], wanted);
        check(&["notes.txt", "other/package.json"], wanted);
        check(
            &["app/index.html"],
            "the app lies in the folder `app` of the workspace: upload what is in it, not the folder",
        );
    }
}
