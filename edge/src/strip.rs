//! Taking a prefix off a path, as Traefik's `stripprefix` does: the first prefix that the path starts with
//! counts, and what is left starts with `/`.

/// The prefix that came off, and the path without it; `None` when the path starts with none of them.
pub(crate) fn strip<'p>(prefixes: &'p [String], path: &str) -> Option<(&'p str, String)> {
    prefixes.iter().find_map(|prefix| {
        let rest = path.strip_prefix(prefix.as_str())?;
        let slash = if rest.starts_with('/') { "" } else { "/" };
        Some((prefix.as_str(), format!("{slash}{rest}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_prefix_that_matches_comes_off() {
        let check = |prefixes: &[&str], path: &str, expected: Option<(&str, &str)>| {
            let prefixes: Vec<String> = prefixes.iter().map(|&p| p.to_owned()).collect();
            let stripped = strip(&prefixes, path);
            assert_eq!(
                stripped.as_ref().map(|(p, rest)| (*p, rest.as_str())),
                expected,
                "{prefixes:?} {path}"
            );
        };
        check(&["/myapp"], "/myapp", Some(("/myapp", "/")));
        check(&["/myapp"], "/myapp/", Some(("/myapp", "/")));
        check(&["/myapp"], "/myapp/x/y", Some(("/myapp", "/x/y")));
        check(&["/myapp"], "/myapp//x", Some(("/myapp", "//x")));
        check(&["/myapp"], "/myapplication", Some(("/myapp", "/lication")));
        check(&["/myapp/"], "/myapp/x", Some(("/myapp/", "/x")));
        check(&["/"], "/x", Some(("/", "/x")));
        check(&["/a", "/a/b"], "/a/b/c", Some(("/a", "/b/c")));
        check(&["/b", "/a"], "/a/b", Some(("/a", "/b")));
        check(&["/myapp"], "/other/myapp", None);
        check(&[], "/x", None);
    }
}
