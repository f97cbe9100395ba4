//! From the compose files of a workspace to one tree: each document is read, its variables are filled in, its paths
//! start from the workspace's root, its services inherit ([`super::extends`]), what it includes is taken in
//! ([`super::include`]), and it is merged over the documents before it ([`super::merge`]).

use super::interpolate::{Source, interpolate};
use super::merge;
use super::node::{Map, Node, Value};
use super::problem::{Position, Problem, quoted};
use super::rebase;
use super::scope::Scope;
use super::variables::Variables;
use super::workspace_path;
use super::yaml::{self, Budget};

/// Of one file, in bytes.
const MAX_TEXT: usize = 1 << 20;
/// Of all files, each document counted, however often it is included.
const MAX_DOCUMENTS: usize = 100;

const PROJECT_NAME: &str = "COMPOSE_PROJECT_NAME";

/// What a compose file has around it.
pub(super) struct Site {
    /// The project directory: from which its relative paths start. Empty for the workspace's root.
    pub folder: String,
    pub variables: Variables,
}

pub(super) struct Document {
    /// The file that it stands in.
    pub file: String,
    pub map: Map,
}

pub(super) struct Loader<'s, 'a> {
    pub scope: &'s mut Scope<'a>,
    pub budget: Budget,
    documents: usize,
}

/// The one tree of all compose files of the workspace.
pub(super) fn load(scope: &mut Scope<'_>) -> Result<Node, Problem> {
    let input = scope.input;
    let folder = rebase::folder_of(input.file).to_owned();
    scope.read_dotenv(&folder)?;
    let mut loader = Loader { scope, budget: Budget::default(), documents: 0 };
    let mut documents = loader.documents(input.file, input.text)?;
    for file in input.overrides {
        let text = loader.text(file).ok_or_else(|| {
            Problem::whole("it is missing, or no small text file").in_file(file).hint("save it as UTF-8")
        })?;
        documents.extend(loader.documents(file, &text)?);
    }
    loader.name_project(&documents)?;
    let site = Site { folder, variables: loader.scope.variables().clone() };
    let mut chain: Vec<String> = vec![input.file.to_owned()];
    let map = loader.model(documents, &site, &mut chain)?;
    let at = Position { file: loader.scope.file_id(input.file), line: 1, column: 1 };
    Ok(Node { at, value: Value::Map(map) })
}

impl Loader<'_, '_> {
    /// The content of a file of the workspace.
    pub fn text(&self, path: &str) -> Option<String> {
        (self.scope.input.files)(path)
    }

    /// As [`Loader::text`], for a path that a file names; relative ones start from the workspace's root.
    pub fn named_text(&self, path: &str, at: Position, what: &str) -> Result<(String, String), Problem> {
        if rebase::is_elsewhere(path) {
            return Err(Problem::at(
                at,
                format!("{what}: {} is refused: it lies outside of the workspace", quoted(path)),
            )
            .hint("upload the file, and name its path: what is not in the workspace is not read"));
        }
        let path = workspace_path::inside(path, at, what, self.scope)?;
        match self.text(&path) {
            Some(text) => Ok((path, text)),
            None if (self.scope.input.paths)(&path) => {
                Err(Problem::at(at, format!("{what}: {} is no small text file", quoted(&path))))
            }
            None => {
                Err(Problem::at(at, format!("{what}: {} does not exist in the workspace", quoted(&path)))
                    .hint("upload it; the path starts from the folder of the file that names it"))
            }
        }
    }

    /// The documents of a file, as they stand there.
    pub fn documents(&mut self, file: &str, text: &str) -> Result<Vec<Document>, Problem> {
        if text.len() > MAX_TEXT {
            return Err(Problem::whole(format!("the file is larger than {MAX_TEXT} bytes")).in_file(file));
        }
        let id = self.scope.file_id(file);
        let nodes = yaml::read(text, id, &mut self.budget)?;
        if nodes.is_empty() {
            return Err(Problem::whole("the file is empty")
                .in_file(file)
                .hint("a compose file has at least `services:`"));
        }
        self.documents += nodes.len();
        if self.documents > MAX_DOCUMENTS {
            let most = format!("more than {MAX_DOCUMENTS} compose files and documents, all together");
            return Err(Problem::at(nodes[0].at, most));
        }
        nodes
            .into_iter()
            .map(|node| match node.value {
                Value::Map(map) => Ok(Document { file: file.to_owned(), map }),
                _ => Err(node.not("a compose file", "a mapping")),
            })
            .collect()
    }

    /// A document with its variables filled in, and its paths from the root of the workspace.
    pub fn prepared(&mut self, document: Document, site: &Site) -> Result<Document, Problem> {
        let Document { file, mut map } = document;
        for entry in &mut map.entries {
            self.scope.interpolate(&mut entry.value, &site.variables)?;
        }
        rebase::file(&mut map, &site.folder);
        Ok(Document { file, map })
    }

    /// What documents mean together, the later ones merged over the earlier ones. `chain` is the files that are
    /// being included, the outermost first.
    pub fn model(
        &mut self,
        documents: Vec<Document>,
        site: &Site,
        chain: &mut Vec<String>,
    ) -> Result<Map, Problem> {
        let mut whole = Map::default();
        for document in documents {
            let Document { file, mut map } = self.prepared(document, site)?;
            self.extend(&file, &mut map, site)?;
            self.include(&mut map, site, chain)?;
            whole = merge::files(whole, map)?;
            merge::settle(&mut whole);
        }
        rebase::default_contexts(&mut whole, &site.folder);
        Ok(whole)
    }

    /// `name` and `COMPOSE_PROJECT_NAME`: what the variable of that name stands for. The names of containers,
    /// networks and volumes follow the workspace's, as if it were given on Compose's command line.
    fn name_project(&mut self, documents: &[Document]) -> Result<(), Problem> {
        let workspace = self.scope.input.workspace.as_str();
        let node = documents.iter().rev().find_map(|document| document.map.given("name"));
        let written = node.map(|node| Ok((self.filled_in(node)?, node.at))).transpose()?;
        if let Some((name, at)) = &written {
            if !is_project_name(name) {
                return Err(Problem::at(*at, format!("{} is no name for a project", quoted(name)))
                    .hint("lower-case letters, digits, `-` and `_`, the first one a letter or digit"));
            }
            if name != workspace {
                let message = format!(
                    "`name`: the project is called `{workspace}` here, as its workspace; {} is only what \
                     `${{{PROJECT_NAME}}}` stands for",
                    quoted(name)
                );
                self.scope.warn(*at, message);
            }
        }
        // As in Compose, the variable wins over what is written.
        match self.scope.variable(PROJECT_NAME).filter(|name| !name.is_empty()).map(str::to_owned) {
            Some(name) if !is_project_name(&name) => {
                return Err(Problem::whole(format!(
                    "`{PROJECT_NAME}`: {} is no name for a project",
                    quoted(&name)
                ))
                .in_file(".env")
                .hint("lower-case letters, digits, `-` and `_`, the first one a letter or digit"));
            }
            Some(name) if name != workspace => {
                let message = format!(
                    "`{PROJECT_NAME}`: the project is called `{workspace}` here, as its workspace; {} is only what \
                     the variable stands for",
                    quoted(&name)
                );
                self.scope.warn_of_file(".env", message);
            }
            Some(_) => {}
            None => {
                let name = written.map_or_else(|| workspace.to_owned(), |(name, _)| name);
                self.scope.set_variable(PROJECT_NAME, &name);
            }
        }
        Ok(())
    }

    fn filled_in(&mut self, node: &Node) -> Result<String, Problem> {
        let text = node.text("`name`")?;
        let mut room = MAX_TEXT;
        // What is wrong with a variable, or missing, is told when the whole file is filled in.
        let variables = self.scope.variables();
        let mut source = Source { lookup: &|name| variables.get(name), unset: &mut |_| {}, room: &mut room };
        interpolate(text, &mut source).map_err(|error| Problem::at(node.at, error.to_string()))
    }
}

fn is_project_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'))
}
