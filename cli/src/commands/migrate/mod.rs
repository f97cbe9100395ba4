//! `cloudyknight migrate`: copies both buckets to another store, so that a platform moves with all that it knows: from a
//! laptop to AWS, and back. What was copied is read again over there and must have the digest of what was sent.
//!
//! It can be stopped at any point and run again: what is there and equal is not copied twice. It ends when a look at both
//! sides finds no difference, so a source that goes on changing is followed. A key that the other store refuses does not
//! keep the rest back: it is told at the end.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use indicatif::ProgressBar;
use serde::Serialize;
use utoipa::ToSchema;

use crate::backends::Store;
use crate::config::Config;
use crate::errors::hinted;
use crate::home::Home;
use crate::output::{ERROR, HINT, Output};

mod copy;
mod difference;
mod end;
mod ledger;
mod probe;

use copy::copy;
use end::End;
use ledger::Refusal;

/// How often a source that changes under our hands is looked at again.
const ROUNDS: usize = 5;
/// How many refused keys people are told of; programs are told all.
const REFUSED_TOLD: usize = 10;

/// What `migrate --json` prints.
#[derive(Serialize, ToSchema)]
pub struct Migrated<'a> {
    version: u32,
    /// The other store.
    to: String,
    report: &'a Report,
}

#[derive(Default, Serialize, ToSchema)]
#[schema(as = MigrationReport)]
struct Report {
    objects: usize,
    copied: usize,
    copied_bytes: u64,
    deleted: usize,
    /// Objects of which both sides were read and found equal in this run.
    verified: usize,
    refused: Vec<Refusal>,
}

pub async fn run(home: &Home, to: &Path, delete: bool, output: Output) -> anyhow::Result<ExitCode> {
    home.must_be_here("its buckets are copied from its own machine")?;
    let file = settings_file(to)?;
    let config = Config::of_file(&file)?;
    let other = Home::new(file.parent().map(Path::to_owned))?;
    if other.path() == home.path().canonicalize().unwrap_or_else(|_| home.path().to_owned()) {
        let message = format!("{} is the platform that would be copied", file.display());
        return Err(hinted(message, "name the config.toml of another home"));
    }
    let source = End::of_platform(home).await.context("could not open the store to copy from")?;
    let target = open_target(&other, &config, &file).await?;
    if source.is_same_as(&target).await? {
        let message = "both settings name the same buckets of the same store";
        return Err(hinted(message, "name other buckets, or another store"));
    }
    if output.talks() {
        anstream::eprintln!("from {}\nto   {}", source.name(), target.name());
    }
    let mut report = Report::default();
    let pairs = [(&source.workspaces, &target.workspaces), (&source.platform, &target.platform)];
    for (from, to) in pairs {
        let progress = if output.talks() { ProgressBar::new(0) } else { ProgressBar::hidden() };
        report.add(copy(from, to, delete, &progress).await?);
        progress.finish_and_clear();
    }
    tell(&report, &target, &other, output);
    Ok(if report.refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The file in the folder that it was named in, also where it is a link: that folder is the home.
fn settings_file(to: &Path) -> anyhow::Result<PathBuf> {
    let file = if to.is_dir() { to.join("config.toml") } else { to.to_owned() };
    let missing = || format!("there is no {}", file.display());
    let path = std::path::absolute(&file)?;
    let (folder, name) = path.parent().zip(path.file_name()).with_context(missing)?;
    let path = folder.canonicalize().with_context(missing)?.join(name);
    path.metadata().with_context(missing)?;
    Ok(path)
}

async fn open_target(other: &Home, config: &Config, file: &Path) -> anyhow::Result<End> {
    if config.store == Store::Embedded && file != other.config() {
        let message = format!("a platform with a store of its own would never read {}", file.display());
        return Err(hinted(message, "name the config.toml in the home of that platform, or the home"));
    }
    End::of_target(other, config).await.context("could not open the store to copy to")
}

fn tell(report: &Report, target: &End, other: &Home, output: Output) {
    if output.is_json() {
        let migrated = Migrated { version: 1, to: target.name().to_string(), report };
        anstream::println!("{}", serde_json::to_string(&migrated).expect("a report is plain data"));
        return;
    }
    let Report { objects, copied, copied_bytes, deleted, verified, refused } = report;
    tell_refused(refused);
    if !output.talks() {
        return;
    }
    anstream::println!(
        "{objects} objects are the same in both stores: {copied} copied ({copied_bytes} bytes), {verified} verified by \
         digest, {deleted} deleted."
    );
    anstream::println!(
        "Stop the platform here before one starts there: `cloudyknight --home {} up`. Two that follow the same buckets \
         would be in each other's way.",
        other.path().display()
    );
}

fn tell_refused(refused: &[Refusal]) {
    if refused.is_empty() {
        return;
    }
    anstream::eprintln!("{ERROR} not all could be copied or deleted, {} of the objects:", refused.len());
    for Refusal { key, reason, .. } in refused.iter().take(REFUSED_TOLD) {
        // A key may hold what a terminal would obey.
        anstream::eprintln!("  {key:?}: {}", reason.escape_debug());
    }
    if refused.len() > REFUSED_TOLD {
        anstream::eprintln!("  and {} more, which --json lists", refused.len() - REFUSED_TOLD);
    }
    if let Some(hint) = refused.iter().find_map(|refusal| refusal.hint.as_ref()) {
        anstream::eprintln!("{HINT} {hint}");
    }
}

impl Report {
    fn add(&mut self, other: Self) {
        self.objects += other.objects;
        self.copied += other.copied;
        self.copied_bytes += other.copied_bytes;
        self.deleted += other.deleted;
        self.verified += other.verified;
        self.refused.extend(other.refused);
    }
}
