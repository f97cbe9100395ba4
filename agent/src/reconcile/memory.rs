//! What is remembered of a workspace between two reconciles. All of it can be lost: it only saves work.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use cloudyknight_core::history::Record;
use cloudyknight_core::manifest::{Manifest, ReleaseDigest};
use cloudyknight_core::workspace::WorkspaceName;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::probation::Probation;
use crate::deploy::{Cut, Live, Needs, Newcomer};
use crate::source::Source;

#[derive(Clone, Default)]
pub struct Memories(Arc<Mutex<HashMap<WorkspaceName, Memory>>>);

#[derive(Default)]
pub struct Memory {
    /// Of the live release.
    pub manifest: Manifest,
    pub source: Option<Source>,
    pub needs: Option<Needs>,
    /// What runs, as long as it is known to be just that.
    pub live: Option<Arc<Live>>,
    /// What runs was being brought to another release and is not known to be of any: new containers must take its place.
    pub is_mixed: bool,
    /// Held while a deployment makes what it needs, and while what nobody needs is cleared away.
    pub grounds: Arc<tokio::sync::Mutex<()>>,
    /// Releases that finish what they carry.
    pub retiring: Vec<JoinHandle<()>>,
    /// Whatever failed; decides how long to wait.
    pub failures_in_a_row: u32,
    /// The last failure was not the release's fault, and another try of it was promised.
    pub try_again: bool,
    /// The live release is not whole in the platform bucket yet.
    pub is_unkept: bool,
    /// The status says something that the platform bucket does not know.
    pub is_untold: bool,
    /// How deployments ended, where the history does not say it yet.
    pub records: Vec<Record>,
    /// The live release, while it may still turn out not to hold.
    pub probation: Option<Probation>,
    /// Containers that take traffic, of a deployment that ended with its agent before anything was told of it. By id.
    pub switched_untold: BTreeMap<String, Newcomer>,
    /// What went live before this agent started was looked at.
    pub is_taken_over: bool,
    /// There may be an archive to take.
    pub archive_expected: bool,
    /// What was listed last is a whole push: nothing is to be waited for.
    pub is_complete: bool,
    /// And a marker says so: what came after it belongs to the next push.
    pub is_committed: bool,
    /// What was listed last, where nobody tells which objects changed.
    pub listed: Option<ReleaseDigest>,
    /// Ends the deployment under way.
    pub current: Option<Cut>,
    /// There is a reason to look at the workspace again while it is being deployed.
    pub hint: Arc<Notify>,
}

impl Memories {
    pub fn of<T>(&self, workspace: &WorkspaceName, change: impl FnOnce(&mut Memory) -> T) -> T {
        let mut memories = self.0.lock().expect("no thread panics while it holds the memory");
        change(memories.entry(workspace.clone()).or_default())
    }

    /// A deployment begins that this may end, until the answer is dropped.
    pub fn enter(&self, workspace: &WorkspaceName, cut: Cut) -> Current {
        self.of(workspace, |memory| memory.current = Some(cut));
        Current { memories: self.clone(), workspace: workspace.clone() }
    }
}

pub struct Current {
    memories: Memories,
    workspace: WorkspaceName,
}

impl Drop for Current {
    fn drop(&mut self) {
        self.memories.of(&self.workspace, |memory| memory.current = None);
    }
}
