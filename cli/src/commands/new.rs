//! `cloudyknight new`: a folder to begin with, from one of the templates that the API makes workspaces of as well. Nothing
//! that is there is overwritten.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use cloudyknight_agent::templates::{self, TEMPLATES, Template, TemplateStatus};
use serde::Serialize;
use utoipa::ToSchema;

use super::push;
use crate::errors::hinted;
use crate::output::Output;
use crate::{show, suggest};

/// What `new --json` prints without a folder.
#[derive(Serialize, ToSchema)]
pub struct Templates {
    version: u32,
    templates: Vec<TemplateStatus>,
}

/// What `new DIR --template T --json` prints.
#[derive(Serialize, ToSchema)]
#[schema(as = NewFolder)]
pub struct Made {
    version: u32,
    workspace: String,
    dir: String,
    template: String,
    /// Paths in the folder.
    files: Vec<String>,
}

pub fn run(dir: Option<&Path>, template: Option<&str>, output: Output) -> anyhow::Result<ExitCode> {
    let (Some(dir), Some(name)) = (dir, template) else {
        return list(dir, template, output);
    };
    let template = find(name)?;
    let absolute = std::path::absolute(dir)?;
    let workspace = push::workspace(&absolute, None)?;
    let files: Vec<(&str, String)> = template.files(&workspace).collect();
    if let Some((path, _)) = files.iter().find(|(path, _)| dir.join(path).exists()) {
        let message = format!("there is a {} already, and nothing was written", dir.join(path).display());
        return Err(hinted(message, "name a folder that is not there yet"));
    }
    for (path, content) in &files {
        write(&dir.join(path), content)?;
    }
    if output.is_json() {
        let made = Made {
            version: 1,
            workspace: workspace.to_string(),
            dir: absolute.display().to_string(),
            template: template.name.to_owned(),
            files: files.iter().map(|(path, _)| (*path).to_owned()).collect(),
        };
        anstream::println!("{}", serde_json::to_string(&made)?);
    } else if output.talks() {
        for (path, _) in &files {
            anstream::println!("{}", dir.join(path).display());
        }
        anstream::eprintln!("next: cloudyknight push {} --watch", dir.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Without a template nothing is made; only who did not ask for anything is told nothing but the list.
fn list(dir: Option<&Path>, template: Option<&str>, output: Output) -> anyhow::Result<ExitCode> {
    if let Some(name) = template {
        find(name)?;
        return Err(hinted(
            "where to make it was not said",
            format!("cloudyknight new DIR --template {name}"),
        ));
    }
    if let Some(dir) = dir {
        let names: Vec<&str> = TEMPLATES.iter().map(|template| template.name).collect();
        let hint = format!("cloudyknight new {} --template {}", dir.display(), names.join("|"));
        return Err(hinted("what kind of app it is to be was not said", hint));
    }
    if output.is_json() {
        let templates = TEMPLATES.iter().map(Template::status).collect();
        anstream::println!("{}", serde_json::to_string(&Templates { version: 1, templates })?);
    } else {
        let rows: Vec<_> =
            TEMPLATES.iter().map(|one| [one.name, one.title, one.description].map(str::to_owned)).collect();
        anstream::print!("{}", show::columns(&rows));
    }
    Ok(ExitCode::SUCCESS)
}

fn find(name: &str) -> anyhow::Result<&'static Template> {
    templates::find(name).ok_or_else(|| {
        let names = TEMPLATES.iter().map(|template| template.name);
        let hint = suggest::hint(name, names, "`cloudyknight new` lists the templates");
        hinted(format!("there is no template `{name}`"), hint)
    })
}

/// A new file: whatever came to be there since is left as it is.
fn write(path: &Path, content: &str) -> anyhow::Result<()> {
    let written = || {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        OpenOptions::new().write(true).create_new(true).open(path)?.write_all(content.as_bytes())
    };
    written().with_context(|| format!("could not write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_once_and_nothing_in_it_overwritten() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("my-app");
        run(Some(&dir), Some("node"), Output::Quiet).unwrap();
        let file = dir.join("server.js");
        std::fs::write(&file, "mine").unwrap();
        std::fs::remove_file(dir.join("package.json")).unwrap();
        let error = run(Some(&dir), Some("node"), Output::Quiet).unwrap_err();
        assert!(error.to_string().contains("server.js already"), "{error}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
        assert!(!dir.join("package.json").exists());
    }

    #[test]
    fn a_template_that_was_mistyped_is_suggested() {
        let error = run(Some(Path::new("/tmp/x")), Some("nod"), Output::Quiet).unwrap_err();
        let hint = crate::errors::hint(&error).unwrap();
        assert!(hint.starts_with("did you mean `node`?"), "{hint}");
    }
}
