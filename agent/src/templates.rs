//! What a new workspace can begin with: the folders of `templates/`, in the binary. The API makes workspaces of them, and
//! the command line folders.

use cloudyknight_core::workspace::WorkspaceName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One to begin with.
#[derive(Clone, Copy, Debug)]
pub struct Template {
    pub name: &'static str,
    pub title: &'static str,
    pub description: &'static str,
    /// Path and content, in which [`PLACE`] stands for the name of the workspace.
    files: &'static [(&'static str, &'static str)],
}

/// What people and programs read of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TemplateStatus {
    pub name: String,
    pub title: String,
    pub description: String,
    /// Paths of its files.
    pub files: Vec<String>,
}

/// Where the name of the workspace goes.
const PLACE: &str = "{{workspace}}";

macro_rules! files {
    ($folder:literal: $($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("../../templates/", $folder, "/", $path)))),+]
    };
}

/// The simplest first.
pub const TEMPLATES: &[Template] = &[
    Template {
        name: "static",
        title: "Static site",
        description: "Pages and a stylesheet, served as they are.",
        files: files!("static": "index.html", "style.css"),
    },
    Template {
        name: "node",
        title: "Node app",
        description: "A web server in Node. Packages that its package.json names are installed for it.",
        files: files!("node": "package.json", "server.js"),
    },
    Template {
        name: "python",
        title: "Python app",
        description: "A web server in Python. Packages that its requirements.txt names are installed for it.",
        files: files!("python": "app.py", "requirements.txt"),
    },
    Template {
        name: "notes",
        title: "Two services and a database",
        description: "A notepad: a web server in Node, and SQLite behind a service that keeps it in a named volume.",
        files: files!("notes": "docker-compose.yml", "web/server.mjs", "db/app.py"),
    },
];

pub fn find(name: &str) -> Option<&'static Template> {
    TEMPLATES.iter().find(|template| template.name == name)
}

impl Template {
    /// Path and content of each file, for a workspace of this name.
    pub fn files(&self, workspace: &WorkspaceName) -> impl Iterator<Item = (&'static str, String)> {
        let name = workspace.to_string();
        self.files.iter().map(move |(path, text)| (*path, text.replace(PLACE, &name)))
    }

    pub fn status(&self) -> TemplateStatus {
        TemplateStatus {
            name: self.name.to_owned(),
            title: self.title.to_owned(),
            description: self.description.to_owned(),
            files: self.files.iter().map(|(path, _)| (*path).to_owned()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// Paths of all files below a folder.
    fn paths(root: &Path, folder: &str, all: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            match entry.file_type().unwrap().is_dir() {
                true => paths(root, &path, all),
                false => drop(all.insert(path)),
            }
        }
    }

    #[test]
    fn every_file_of_the_folder_is_in_the_binary() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../templates");
        let mut there = BTreeSet::new();
        paths(&root, "", &mut there);
        let of = |template: &Template| {
            template.files.iter().map(|(path, _)| format!("{}/{path}", template.name)).collect::<Vec<_>>()
        };
        let known: BTreeSet<String> = TEMPLATES.iter().flat_map(of).collect();
        assert_eq!(there, known);
    }

    #[test]
    fn the_name_of_the_workspace_takes_its_place_everywhere() {
        let workspace = "my-app".parse().unwrap();
        for template in TEMPLATES {
            let files: Vec<_> = template.files(&workspace).collect();
            assert!(files.iter().all(|(_, text)| !text.contains("{{")), "{}", template.name);
            assert!(files.iter().any(|(_, text)| text.contains("my-app")), "{}", template.name);
        }
        assert!(find("node").is_some() && find("nothing").is_none());
    }
}
