//! What a push does to the containers that run, where the rules of `develop.watch` cover all that it changes: files are put
//! into them or taken out of them, and some of them are restarted. Decided purely, from what two releases hold and what the
//! services are; `deploy::in_place` carries it out.
//!
//! Whatever is in doubt is redeployed: new containers are always right.

use std::collections::{BTreeMap, BTreeSet};

use crate::compose::model::{
    Build, Content, Hook, ImageSource, MountSource, Service, Then, WatchAction, WatchRule,
};
use crate::ignore::Patterns;
use crate::source::Layout;

/// More than this is redeployed: for the time that it takes, a container would answer from two releases.
const MAX_FILES: usize = 1000;
const MAX_BYTES: u64 = 64 << 20;

/// Why there is a redeployment, for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Redeploy(pub String);

/// How the files of two releases differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub files: BTreeMap<String, Change>,
    /// Folders in which nothing is left, the deepest first.
    pub gone: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// New or other content, of so many bytes.
    Put(u64),
    Gone,
}

/// A service with all that a change may concern.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// With the mounts of its image's contract.
    pub service: &'a Service,
    /// Where its image copies the source to, in memory, when it starts; and where from.
    pub app: Option<(&'a str, &'a str)>,
    /// Files that decide its dependencies.
    pub decisive: &'a [String],
    /// What its build leaves out of the context.
    pub unsent: &'a Patterns,
    /// Other services live in its namespaces, or are to be replaced with it.
    pub is_followed: bool,
}

/// What is done to each container of a service, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    /// In the container's own layer.
    pub layer: Files,
    /// In its memory, where it runs.
    pub app: Files,
    pub exec: Vec<Hook>,
    pub restart: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Path in the container, and in the workspace.
    pub put: BTreeMap<String, String>,
    pub remove: BTreeSet<String>,
    /// Removed if nothing is in them, the deepest first.
    pub folders: Vec<String>,
}

impl Files {
    pub fn is_empty(&self) -> bool {
        self.put.is_empty() && self.remove.is_empty() && self.folders.is_empty()
    }
}

/// Where a file that is put into a container comes to lie.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Reach {
    Layer,
    App,
    /// The source that it mounts: there it is anyway.
    Mounted,
    Not(&'static str),
}

/// How `after` differs from `before`.
pub fn changes(before: &Layout, after: &Layout) -> Result<Changes, Redeploy> {
    let mut changes = Changes::default();
    for (path, entry) in after.files.iter().filter(|(path, entry)| before.files.get(*path) != Some(entry)) {
        if before.folders.contains(path) {
            return Err(Redeploy(format!("the folder `{path}` becomes a file")));
        }
        changes.files.insert(path.clone(), Change::Put(entry.size));
    }
    for path in before.files.keys().filter(|path| !after.files.contains_key(*path)) {
        if after.folders.contains(path) {
            return Err(Redeploy(format!("the file `{path}` becomes a folder")));
        }
        changes.files.insert(path.clone(), Change::Gone);
    }
    let explained = |folder: &String, kind: fn(&Change) -> bool| {
        changes.files.iter().any(|(path, change)| kind(change) && is_below(path, folder))
    };
    let new = after.folders.difference(&before.folders);
    let gone: Vec<&String> = before.folders.difference(&after.folders).collect();
    let odd = new.clone().find(|folder| !explained(folder, |change| matches!(change, Change::Put(_))));
    let odd = odd.or_else(|| gone.iter().copied().find(|folder| !explained(folder, |c| *c == Change::Gone)));
    if let Some(folder) = odd {
        return Err(Redeploy(format!("the empty folder `{folder}` comes or goes")));
    }
    // A folder sorts before what is in it.
    changes.gone = gone.into_iter().rev().cloned().collect();
    Ok(changes)
}

/// What to do to the containers of which service, by its name; or why they are redeployed. `read` are the files that
/// say what the services are.
pub fn choose(
    changes: &Changes,
    subjects: &BTreeMap<String, Subject<'_>>,
    read: &BTreeSet<String>,
) -> Result<BTreeMap<String, Steps>, Redeploy> {
    if changes.files.is_empty() {
        return Err(Redeploy("no file differs".to_owned()));
    }
    bounded(changes)?;
    let mut all: BTreeMap<String, Steps> = BTreeMap::new();
    for (path, change) in &changes.files {
        if read.contains(path) {
            return Err(Redeploy(format!("`{path}` says what the services are")));
        }
        let mut covered = false;
        for (name, subject) in subjects {
            let rules: Vec<&WatchRule> = subject.rules(path).collect();
            subject.refuse(name, path, &rules)?;
            if rules.is_empty() {
                continue;
            }
            covered = true;
            let steps = all.entry(name.clone()).or_default();
            for rule in rules {
                subject.add(name, path, *change, rule, steps)?;
            }
        }
        if !covered {
            return Err(Redeploy(format!("no rule of `develop.watch` covers `{path}`")));
        }
    }
    for (name, steps) in &mut all {
        let subject = &subjects[name];
        subject.add_folders(&changes.gone, steps);
        subject.refuse_steps(name, changes, steps)?;
    }
    Ok(all)
}

/// The files that a new container is given before it starts, by where: those for which a rule asks for that, and those that
/// nothing else brings there.
pub fn initial<'p>(
    subject: &Subject<'_>,
    paths: impl Iterator<Item = &'p String>,
) -> BTreeMap<String, &'p String> {
    let mut put = BTreeMap::new();
    for path in paths {
        for rule in subject.rules(path) {
            let WatchAction::Sync { target, initial, .. } = &rule.action else { continue };
            let place = place(rule, target, path);
            if (*initial || !subject.builds(path)) && subject.reach(&place, path) == Reach::Layer {
                put.insert(place, path);
            }
        }
    }
    put
}

/// For each rule that cannot put files where it says: the rule's path, its target, and why.
pub fn unreachable<'s>(subject: &Subject<'s>, paths: &[&String]) -> Vec<(&'s str, &'s str, &'static str)> {
    let why = |rule: &'s WatchRule| {
        let WatchAction::Sync { target, .. } = &rule.action else { return None };
        let reach = |path: &&&String| match subject.reach(&place(rule, target, path), path) {
            Reach::Not(why) => Some(why),
            Reach::Layer | Reach::App | Reach::Mounted => None,
        };
        let why = paths.iter().filter(|path| covers(rule, path)).find_map(|path| reach(&path))?;
        Some((rule.path.as_str(), target.as_str(), why))
    };
    subject.service.watch.iter().filter_map(why).collect()
}

fn bounded(changes: &Changes) -> Result<(), Redeploy> {
    let bytes: u64 = changes
        .files
        .values()
        .map(|change| match change {
            Change::Put(size) => *size,
            Change::Gone => 0,
        })
        .sum();
    match changes.files.len() {
        files if files > MAX_FILES => Err(Redeploy(format!("{files} files change at once"))),
        _ if bytes > MAX_BYTES => Err(Redeploy(format!("{bytes} bytes change at once"))),
        _ => Ok(()),
    }
}

impl<'a> Subject<'a> {
    /// The rules that are about a file. A rule is about none that the build leaves out, as in Compose: no new container
    /// would have it.
    fn rules(&self, path: &str) -> impl Iterator<Item = &'a WatchRule> {
        let left_out = self.build().and_then(|build| inside(path, &build.context));
        let left_out = left_out.is_some_and(|inside| self.unsent.mean(inside));
        let path = path.to_owned();
        self.service.watch.iter().filter(move |rule| !left_out && covers(rule, &path))
    }

    fn build(&self) -> Option<&'a Build> {
        match &self.service.image {
            ImageSource::Build(build) => Some(build),
            ImageSource::Image(_) => None,
        }
    }

    /// Whether its image is built with this file.
    fn builds(&self, path: &str) -> bool {
        let inside = self.build().and_then(|build| inside(path, &build.context));
        inside.is_some_and(|path| !self.unsent.mean(path))
    }

    fn mounts(&self, path: &str) -> bool {
        self.service.mounts.iter().any(|mount| match &mount.source {
            MountSource::Workspace(from) => inside(path, from).is_some(),
            _ => false,
        })
    }

    /// What no rule can make good.
    fn refuse(&self, name: &str, path: &str, rules: &[&WatchRule]) -> Result<(), Redeploy> {
        let refuse = |why: &str| Err(Redeploy(format!("service `{name}`: {why} `{path}`")));
        if self.decides(path) {
            return refuse("its image or its dependencies follow from");
        }
        let is_private = |content: &Content| matches!(content, Content::File(file) if file == path);
        if self.service.surroundings.files.iter().any(|file| is_private(&file.content)) {
            return refuse("one of its secrets or configs is");
        }
        if rules.iter().any(|rule| rule.action == WatchAction::Rebuild) {
            return refuse("a rule asks for `rebuild` after a change of");
        }
        if rules.is_empty() && (self.builds(path) || self.mounts(path)) {
            return refuse("no rule of `develop.watch` covers");
        }
        Ok(())
    }

    /// Dockerfile and `.dockerignore`, and what decides the dependencies.
    fn decides(&self, path: &str) -> bool {
        if self.decisive.iter().any(|file| file == path) {
            return true;
        }
        let Some(build) = self.build() else { return false };
        let Some(inside) = inside(path, &build.context) else { return false };
        inside == ".dockerignore"
            || build.inline.is_none()
                && (inside == build.dockerfile
                    || inside.strip_suffix(".dockerignore") == Some(&build.dockerfile))
    }

    fn add(
        &self,
        name: &str,
        path: &str,
        change: Change,
        rule: &WatchRule,
        steps: &mut Steps,
    ) -> Result<(), Redeploy> {
        let WatchAction::Sync { target, then, .. } = &rule.action else {
            steps.restart |= rule.action == WatchAction::Restart;
            return Ok(());
        };
        let place = place(rule, target, path);
        let files = match self.reach(&place, path) {
            Reach::Layer => Some(&mut steps.layer),
            Reach::App => Some(&mut steps.app),
            Reach::Mounted => None,
            Reach::Not(why) => {
                return Err(Redeploy(format!(
                    "service `{name}`: `{path}` cannot be put to `{place}`: {why}"
                )));
            }
        };
        if let Some(files) = files {
            let other = match change {
                Change::Put(_) => files.put.insert(place.clone(), path.to_owned()),
                Change::Gone => {
                    files.remove.insert(place.clone());
                    None
                }
            };
            if other.is_some_and(|other| other != path) || clashes(files, &place) {
                return Err(Redeploy(format!("service `{name}`: two rules are about `{place}`")));
            }
        }
        match then {
            Then::Nothing => {}
            Then::Restart => steps.restart = true,
            Then::Exec(hook) if steps.exec.contains(hook) => {}
            Then::Exec(hook) => steps.exec.push(hook.clone()),
        }
        Ok(())
    }

    fn add_folders(&self, gone: &[String], steps: &mut Steps) {
        for folder in gone {
            for rule in self.rules(folder).filter(|rule| rule.path != *folder) {
                let WatchAction::Sync { target, .. } = &rule.action else { continue };
                let place = place(rule, target, folder);
                match self.reach(&place, folder) {
                    Reach::Layer => steps.layer.folders.push(place),
                    Reach::App => steps.app.folders.push(place),
                    Reach::Mounted | Reach::Not(_) => {}
                }
            }
        }
    }

    fn refuse_steps(&self, name: &str, changes: &Changes, steps: &Steps) -> Result<(), Redeploy> {
        if steps.restart && self.is_followed {
            return Err(Redeploy(format!("service `{name}`: others follow it when it is restarted")));
        }
        // A mount of one file is of that file, and not of the one that takes its place.
        let single = self.service.mounts.iter().find_map(|mount| match &mount.source {
            MountSource::Workspace(file) => changes.files.get_key_value(file).map(|(file, _)| file),
            _ => None,
        });
        match single {
            Some(file) if !steps.restart || changes.files[file] == Change::Gone => {
                Err(Redeploy(format!("service `{name}`: it mounts the one file `{file}`")))
            }
            _ => Ok(()),
        }
    }

    /// Where a file of the workspace comes to lie that is put to `place`.
    fn reach(&self, place: &str, path: &str) -> Reach {
        let service = self.service;
        if service
            .surroundings
            .files
            .iter()
            .any(|file| inside(place, file.target.trim_end_matches('/')).is_some())
        {
            return Reach::Not("a secret or a config is there");
        }
        if !service.volumes_from.is_empty() {
            return Reach::Not("it has the mounts of another service");
        }
        let target = |mount: &crate::compose::model::Mount| mount.target.trim_end_matches('/').to_owned();
        let over = service.mounts.iter().filter(|mount| inside(place, &target(mount)).is_some());
        let Some(mount) = over.max_by_key(|mount| target(mount).len()) else {
            return match service.isolation.read_only {
                true => Reach::Not("its root is read-only"),
                false => Reach::Layer,
            };
        };
        let target = target(mount);
        let below = inside(place, &target).unwrap_or_default();
        match &mount.source {
            MountSource::Workspace(from) if join(from, below) == path => Reach::Mounted,
            MountSource::Workspace(_) => Reach::Not("another part of the workspace is mounted there"),
            MountSource::Tmpfs => match self.app {
                // What its image would copy there as well.
                Some((app, source)) if app.trim_end_matches('/') == target => {
                    let copied = join(source, below);
                    if self.reach(&copied, path) == Reach::Mounted {
                        Reach::App
                    } else {
                        Reach::Not("a restart would bring another file there")
                    }
                }
                _ => Reach::Not("that is memory, which a restart empties"),
            },
            MountSource::Volume(_) | MountSource::Anonymous => Reach::Not("that is a volume"),
            MountSource::Host(_) => Reach::Not("that is a path of the host"),
        }
    }
}

fn clashes(files: &Files, place: &str) -> bool {
    files.put.contains_key(place) && files.remove.contains(place)
}

/// The rest of `path` at or below `folder`, which is the root where it is empty.
fn inside<'p>(path: &'p str, folder: &str) -> Option<&'p str> {
    match path.strip_prefix(folder)? {
        rest if folder.is_empty() => Some(rest),
        "" => Some(""),
        rest => rest.strip_prefix('/'),
    }
}

fn is_below(path: &str, folder: &str) -> bool {
    inside(path, folder).is_some_and(|rest| !rest.is_empty())
}

fn join(folder: &str, below: &str) -> String {
    match (folder.trim_end_matches('/'), below) {
        (folder, "") => folder.to_owned(),
        ("", below) => below.to_owned(),
        (folder, below) => format!("{folder}/{below}"),
    }
}

fn place(rule: &WatchRule, target: &str, path: &str) -> String {
    join(target, inside(path, &rule.path).unwrap_or_default())
}

/// Whether a rule is about a file.
fn covers(rule: &WatchRule, path: &str) -> bool {
    let name = || path.rsplit('/').next().unwrap_or_default();
    let Some(inside) = inside(path, &rule.path).map(|rest| if rest.is_empty() { name() } else { rest })
    else {
        return false;
    };
    let means = |patterns: &[String]| {
        // They were read before.
        Patterns::of(patterns.iter().map(String::as_str)).is_ok_and(|patterns| patterns.mean(inside))
    };
    !means(&rule.ignore) && (rule.include.is_empty() || means(&rule.include))
}

#[cfg(test)]
#[path = "in_place_tests.rs"]
mod tests;
