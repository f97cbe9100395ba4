//! What stays on this machine although it is written to the mounted folder: what tools make beside source, and what is
//! not for a bucket. Pure.

use cloudyknight_core::leftover;

/// Names of files and folders, wherever in a workspace they lie; `mount_exclude` replaces them.
pub const DEFAULT: [&str; 8] =
    ["node_modules", ".git", "logs", ".env", "dist", "build", "__pycache__", "vendor"];

/// Whether a path of the bucket is not to be uploaded. The first part is the workspace: it may have any name.
pub fn is_excluded(path: &str, names: &[String]) -> bool {
    let Some((_, inside)) = path.split_once('/') else { return false };
    inside.split('/').any(|part| names.iter().any(|name| name == part)) || leftover::of(inside).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_count_anywhere_in_a_workspace_and_not_as_its_name() {
        let names: Vec<String> = DEFAULT.iter().map(|name| (*name).to_owned()).collect();
        for path in [
            "app/node_modules/x/index.js",
            "app/web/node_modules/x",
            "app/.git/HEAD",
            "app/.env",
            "app/web/.env",
            "app/dist",
            "app/.index.js.swp",
            "app/src/index.js~",
        ] {
            assert!(is_excluded(path, &names), "{path}");
        }
        for path in
            ["build/index.js", "app/index.js", "app/.env.example", "app/builder/x", "app/.gitignore", "dist"]
        {
            assert!(!is_excluded(path, &names), "{path}");
        }
        assert!(!is_excluded("app/node_modules/x", &[]));
    }
}
