//! Files that a program leaves beside the one that somebody edits: swap files, backups, locks, what is to be renamed in
//! a moment. They reach the bucket when a mounted folder is edited, or when a folder is synced while it is edited. They
//! are nobody's source: their notifications mark nothing, and no release holds them.
//!
//! A name is here only if it is made by such a program and by nothing else. What a person might choose for a file of an
//! app is none, however temporary it looks: `a.tmp`, `a.bak`, `a.orig` and `a.swp` are source.

/// What left a file of this name, wherever in a workspace it lies; `None` for source.
pub fn of(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let hidden = name.strip_prefix('.');
    if hidden.is_some_and(is_swap) {
        return Some("the swap file of vim or nano");
    }
    if hidden.and_then(|rest| rest.strip_suffix(".kate-swp")).is_some_and(is_name) {
        return Some("the swap file of Kate");
    }
    if name.strip_suffix('~').is_some_and(is_name) {
        return Some("the backup of an editor");
    }
    if name.strip_prefix(".#").is_some_and(is_name) {
        return Some("a lock of Emacs");
    }
    if name.strip_prefix('#').and_then(|rest| rest.strip_suffix('#')).is_some_and(is_name) {
        return Some("what Emacs saves by itself");
    }
    if name.strip_prefix(".goutputstream-").is_some_and(|rest| rest.len() == 6 && is_random(rest)) {
        return Some("a file of GNOME that is to be renamed");
    }
    if name.strip_prefix(".~lock.").and_then(|rest| rest.strip_suffix('#')).is_some_and(is_name) {
        return Some("a lock of LibreOffice");
    }
    if [JETBRAINS_NEW, JETBRAINS_OLD].iter().any(|end| name.strip_suffix(end).is_some_and(is_name)) {
        return Some("a file of an IDE that is to be renamed");
    }
    let upload = name.strip_suffix(".partial").and_then(|rest| rest.rsplit_once('.'));
    if upload.is_some_and(|(name, id)| is_name(name) && id.len() == 8 && is_hexadecimal(id)) {
        return Some("an upload of rclone that is not complete");
    }
    None
}

/// The same for an object whose size is known: vim tries whether it may write a folder with an empty file `4913`.
pub fn of_object(path: &str, size: u64) -> Option<&'static str> {
    let tried = size == 0 && path.rsplit('/').next() == Some("4913");
    of(path).or(tried.then_some("a file with which vim tries a folder"))
}

const JETBRAINS_NEW: &str = "___jb_tmp___";
const JETBRAINS_OLD: &str = "___jb_old___";

/// `foo.js.swp`, and what vim calls it when that is taken: `.swo`, `.swn` and so on; `.swx` is there for a moment.
fn is_swap(rest: &str) -> bool {
    let Some((name, end)) = rest.rsplit_once('.') else { return false };
    let last = end.strip_prefix("sw").unwrap_or_default();
    is_name(name) && matches!(last.as_bytes(), [b'k'..=b'p' | b'x'] | [b'p', b'x'])
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
}

fn is_random(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn is_hexadecimal(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_editors_leave_is_no_source() {
        for path in [
            ".index.js.swp",
            "src/.index.js.swo",
            ".a.swx",
            ".a.swpx",
            ".Makefile.swn",
            ".a.kate-swp",
            "index.js~",
            "src/deep/index.js~",
            ".env~",
            ".#index.js",
            "#index.js#",
            ".goutputstream-A1B2C3",
            ".~lock.table.ods#",
            "index.js___jb_tmp___",
            "index.js___jb_old___",
            "data.bin.0fa3c5e7.partial",
        ] {
            assert!(of(path).is_some(), "{path}");
        }
    }

    #[test]
    fn what_an_app_may_need_is_source() {
        for path in [
            "index.js",
            "a.swp",
            ".swp",
            ".movie.swf",
            ".a.swift",
            "~",
            "~/index.js",
            "a~/index.js",
            "a~b",
            "#",
            "##",
            "#notes",
            "notes#",
            ".#",
            "a.tmp",
            "a.bak",
            "a.orig",
            ".goutputstream-",
            ".goutputstream-short",
            ".goutputstream-not six",
            ".~lock.#",
            "a.partial",
            "_form.partial",
            "a.0FA3C5E7.partial",
            "4913",
            ".env",
            "",
        ] {
            assert_eq!(of(path), None, "{path}");
        }
    }

    #[test]
    fn only_an_empty_4913_is_vim_s() {
        assert!(of_object("src/4913", 0).is_some());
        assert_eq!(of_object("src/4913", 1), None);
        assert_eq!(of_object("4913/index.js", 0), None);
        assert!(of_object("a~", 5).is_some());
    }
}
