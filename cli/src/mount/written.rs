//! The files that were written here. Of such a file rclone takes what it wrote for what the bucket holds, whatever is
//! listed, until its folder is refreshed; and each time it is opened while it is in the cache it begins anew. So its folder
//! is refreshed, and not just forgotten, when somebody else changes the file.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::control::Control;

/// Keys with the time of the last upload of each.
#[derive(Default)]
pub struct Written(Mutex<HashMap<String, Instant>>);

/// Where nobody tells of changes: how often their folders are refreshed, and for how long after an upload.
const EVERY: Duration = Duration::from_secs(1);
const FOR: Duration = Duration::from_secs(600);
const PATIENCE: Duration = Duration::from_secs(2);

impl Written {
    /// The folders of those keys that were written here.
    pub fn folders_of(&self, keys: &[String]) -> Vec<String> {
        let written = self.0.lock().expect("nothing panics while it holds the keys");
        let found: BTreeSet<&str> =
            keys.iter().filter(|key| written.contains_key(*key)).map(|key| folder(key)).collect();
        found.into_iter().map(str::to_owned).collect()
    }

    fn note(&self, key: &str) {
        let mut written = self.0.lock().expect("nothing panics while it holds the keys");
        written.insert(key.to_owned(), Instant::now());
    }

    fn recent(&self) -> Vec<String> {
        let written = self.0.lock().expect("nothing panics while it holds the keys");
        let recent = written.iter().filter(|(_, at)| at.elapsed() < FOR);
        let found: BTreeSet<&str> = recent.map(|(key, _)| folder(key)).collect();
        found.into_iter().map(str::to_owned).collect()
    }

    /// Refreshes a folder when a file of it was uploaded: somebody may have written the same file meanwhile. Unless changes
    /// are told, also from time to time after that.
    pub async fn tend(&self, control: &Control, mut uploads: mpsc::UnboundedReceiver<String>, is_told: bool) {
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let folders = tokio::select! {
                uploaded = uploads.recv() => match uploaded {
                    Some(key) => {
                        self.note(&key);
                        vec![folder(&key).to_owned()]
                    }
                    // rclone ends, and this with it.
                    None => return std::future::pending().await,
                },
                _ = tick.tick(), if !is_told => self.recent(),
            };
            let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
            if let Err(error) = control.refresh(&folders, PATIENCE).await {
                tracing::debug!(%error, "could not refresh what was written");
            }
        }
    }
}

/// The folder of a key; empty for the first level.
pub fn folder(key: &str) -> &str {
    key.trim_end_matches('/').rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The key of which rclone says that it was uploaded.
pub fn uploaded(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once(" INFO  : ")?;
    rest.split_once(": vfs cache: upload succeeded").map(|(key, _)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_uploaded_is_read_from_what_rclone_says() {
        let line = "2026/11/28 10:22:26 INFO  : app/a b: c.js: vfs cache: upload succeeded try #1";
        assert_eq!(uploaded(line), Some("app/a b: c.js"));
        assert_eq!(uploaded("2026/11/28 10:22:26 INFO  : app/x: Copied (new)"), None);
        assert_eq!(uploaded("2026/11/28 10:22:26 ERROR : app/x: vfs cache: failed to upload try #1"), None);
    }

    #[test]
    fn only_folders_of_what_was_written_are_named_and_once() {
        let written = Written::default();
        written.note("app/src/a");
        written.note("app/src/b");
        let keys = ["app/src/a", "app/src/b", "app/x", "app/src/deep/y", "top"].map(str::to_owned);
        assert_eq!(written.folders_of(&keys), ["app/src"]);
        assert_eq!(written.folders_of(&keys[2..]), [""; 0]);
        assert_eq!(folder("app/src/"), "app");
        assert_eq!(folder("top"), "");
    }
}
