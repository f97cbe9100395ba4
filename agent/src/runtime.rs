//! The contract of a runtime image, read from its labels: where source is mounted, where the app runs, which files
//! decide the dependencies and how they are installed. The agent knows this contract, not node or python.

use std::collections::BTreeMap;

use cloudyknight_core::manifest::Manifest;

use crate::compose::model::{Mount, MountSource};
use crate::engine::ImageFacts;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contract {
    /// Where the release is mounted, read-only.
    pub source: Option<String>,
    /// In memory, writable: where the app runs.
    pub app: Option<String>,
    pub port: Option<u16>,
    pub dependencies: Option<Dependencies>,
    /// Its apps run without any, also as root.
    pub needs_no_capabilities: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependencies {
    /// Where the source is mounted for the installation.
    pub source: String,
    /// Files at the root of the workspace that decide them.
    pub files: Vec<String>,
    /// A command for `sh -c`.
    pub install: String,
}

impl Contract {
    pub fn of(labels: &BTreeMap<String, String>) -> Self {
        let label =
            |name: &str| labels.get(&format!("cloudyknight.{name}")).filter(|value| !value.is_empty());
        let dependencies = || {
            Some(Dependencies {
                source: label("source")?.clone(),
                files: label("dependencies.files")?.split_whitespace().map(str::to_owned).collect(),
                install: label("dependencies.install")?.clone(),
            })
        };
        Self {
            source: label("source").cloned(),
            app: label("app").cloned(),
            port: label("port").and_then(|port| port.parse().ok()),
            dependencies: dependencies(),
            needs_no_capabilities: label("capabilities").is_some_and(|needed| needed == "none"),
        }
    }

    /// The ports that an app on this image may listen on, the likeliest first.
    pub fn ports(&self, image: &ImageFacts) -> Vec<u16> {
        self.port.into_iter().chain(image.ports.iter().copied()).collect()
    }
}

impl Contract {
    /// Mounts that the contract asks for, where the compose file has none of its own.
    pub fn complete(&self, mounts: &mut Vec<Mount>) {
        let source = self.source.iter().map(|target| (target, MountSource::Workspace(String::new()), true));
        let app = self.app.iter().map(|target| (target, MountSource::Tmpfs, false));
        for (target, source, read_only) in source.chain(app) {
            if !mounts.iter().any(|mount| mount.target.trim_end_matches('/') == target) {
                mounts.push(Mount { target: target.clone(), source, read_only, options: Default::default() });
            }
        }
    }
}

impl Dependencies {
    /// Those of its files that the workspace has. None: there is nothing to install.
    pub fn present<'a>(&'a self, manifest: &Manifest) -> Vec<&'a str> {
        self.files.iter().map(String::as_str).filter(|file| manifest.entries.contains_key(*file)).collect()
    }

    /// Equal keys, equal dependencies: the image, the command and the content of the files.
    pub fn key(&self, image: &ImageFacts, manifest: &Manifest) -> String {
        let mut hasher = blake3::Hasher::new();
        let mut part = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        part(&image.id);
        part(&self.install);
        for file in self.present(manifest) {
            part(file);
            part(&manifest.entries[file].etag);
        }
        hex::encode(&hasher.finalize().as_bytes()[..16])
    }
}

#[cfg(test)]
mod tests {
    use cloudyknight_core::manifest::Entry;

    use super::*;

    fn image(id: &str) -> ImageFacts {
        let labels = [
            ("cloudyknight.source", "/workspace"),
            ("cloudyknight.app", "/app"),
            ("cloudyknight.port", "3000"),
            ("cloudyknight.dependencies.files", "package.json package-lock.json"),
            ("cloudyknight.dependencies.install", "npm ci"),
        ];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        ImageFacts {
            id: id.into(),
            labels,
            ports: vec![80],
            healthcheck: None,
            platform: String::new(),
            had_at: 0,
            digest: None,
        }
    }

    fn manifest(files: &[(&str, &str)]) -> Manifest {
        let entry = |etag: &str| Entry { etag: etag.into(), size: 1 };
        Manifest { entries: files.iter().map(|(path, etag)| ((*path).into(), entry(etag))).collect() }
    }

    #[test]
    fn an_image_without_labels_asks_for_nothing() {
        assert_eq!(Contract::of(&BTreeMap::new()), Contract::default());
    }

    #[test]
    fn the_contract_adds_its_mounts_and_leaves_those_of_the_file() {
        let contract = Contract::of(&image("i").labels);
        let mut mounts = vec![Mount {
            target: "/workspace/".into(),
            source: MountSource::Workspace("src".into()),
            read_only: true,
            options: Default::default(),
        }];
        contract.complete(&mut mounts);
        let targets: Vec<&str> = mounts.iter().map(|mount| mount.target.as_str()).collect();
        assert_eq!(targets, ["/workspace/", "/app"]);
        let mut none = Vec::new();
        contract.complete(&mut none);
        assert_eq!(none[0].source, MountSource::Workspace(String::new()));
    }

    #[test]
    fn the_ports_of_the_contract_come_before_those_of_the_image() {
        let image = image("i");
        assert_eq!(Contract::of(&image.labels).ports(&image), [3000, 80]);
    }

    #[test]
    fn the_key_changes_with_image_and_deciding_files_and_with_nothing_else() {
        let dependencies = Contract::of(&image("i").labels).dependencies.unwrap();
        let key = |id, files: &[(&str, &str)]| dependencies.key(&image(id), &manifest(files));
        let base = key("i", &[("package.json", "1"), ("index.js", "1")]);
        assert_eq!(base, key("i", &[("package.json", "1"), ("index.js", "2"), ("new.js", "3")]));
        assert_ne!(base, key("j", &[("package.json", "1")]));
        assert_ne!(base, key("i", &[("package.json", "2")]));
        assert_ne!(base, key("i", &[("package.json", "1"), ("package-lock.json", "1")]));
    }

    #[test]
    fn without_deciding_files_there_is_nothing_to_install() {
        let dependencies = Contract::of(&image("i").labels).dependencies.unwrap();
        assert_eq!(dependencies.present(&manifest(&[("index.js", "1")])), [""; 0]);
    }
}
