//! The policy as people and programs are told it: each permission with the entry that gives it, the same through the API
//! and by the command line.

use std::path::Path;

use cloudyknight_core::workspace::WorkspaceName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Entry, Limits, PolicyError, Said, Size, document, line};

/// What the operator's policy lets workspaces do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Policy)]
pub struct Told {
    pub version: u32,
    pub file: String,
    /// Whether the file is there; otherwise this is what it will say at the first start.
    pub exists: bool,
    /// Why this is not what the file says, but what it said when it last was right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// The one that it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<WorkspaceName>,
    pub grants: Vec<Grant>,
    pub limits: ToldLimits,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Grant {
    pub permission: String,
    /// `true`, or what exactly.
    pub value: String,
    pub workspaces: Vec<String>,
    /// Where its entry begins in the file.
    pub line: usize,
}

/// Of one container; what entries raise is among the grants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = PolicyLimits)]
pub struct ToldLimits {
    pub memory: String,
    pub max_memory: String,
    pub pids: u32,
    pub max_pids: u32,
    pub max_logs: String,
}

impl Told {
    pub const VERSION: u32 = 1;

    /// What a text says: of all workspaces, or of one.
    ///
    /// # Errors
    /// It is no policy.
    pub fn of(
        path: &Path,
        text: &str,
        exists: bool,
        workspace: Option<WorkspaceName>,
    ) -> Result<Self, PolicyError> {
        let document = document(path, text)?;
        let is_meant = |entry: &&toml::Spanned<Entry>| {
            let patterns = &entry.get_ref().workspaces;
            workspace.as_ref().is_none_or(|name| patterns.iter().any(|pattern| pattern.matches(name)))
        };
        let grants = document.allow.iter().filter(is_meant).flat_map(|entry| {
            let line = line(text, entry.span().start);
            let workspaces: Vec<String> =
                entry.get_ref().workspaces.iter().map(ToString::to_string).collect();
            entry.get_ref().says().into_iter().map(move |Said { permission, value }| Grant {
                permission: permission.to_owned(),
                value,
                workspaces: workspaces.clone(),
                line,
            })
        });
        Ok(Self {
            version: Self::VERSION,
            file: path.display().to_string(),
            exists,
            trouble: None,
            grants: grants.collect(),
            limits: document.limits.into(),
            workspace,
        })
    }
}

impl From<Limits> for ToldLimits {
    fn from(limits: Limits) -> Self {
        let Limits { memory, max_memory, pids, max_pids, max_logs } = limits;
        let told = |size: Size| size.to_string();
        Self { memory: told(memory), max_memory: told(max_memory), pids, max_pids, max_logs: told(max_logs) }
    }
}
