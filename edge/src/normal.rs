//! The normal form of a path (RFC 3986, section 6.2.2), which is what rules from labels are about and what then arrives
//! at the backend: escapes that say nothing are undone, `.` and `..` and empty segments are resolved. A rule that
//! guards `/admin` so also guards `/x/../admin`, `//admin` and `/%61dmin`, whatever a backend makes of those.

use std::borrow::Cow;

/// The normal form, where it differs from what was sent.
pub(crate) fn normal(path: &str) -> Option<String> {
    if !path.starts_with('/') || !is_suspect(path) {
        return None;
    }
    let normal = resolved(&unescaped(path));
    (normal != path).then_some(normal)
}

/// A path in normal form with everything decoded that has no meaning of its own in a path: as people write it.
pub(crate) fn plain(normal: &str) -> Cow<'_, str> {
    if !normal.contains('%') {
        return Cow::Borrowed(normal);
    }
    let mut bytes = Vec::with_capacity(normal.len());
    let mut rest = normal.as_bytes();
    while let Some(&first) = rest.first() {
        match escape(rest) {
            Some(byte) if !is_reserved(byte) => {
                bytes.push(byte);
                rest = &rest[3..];
            }
            _ => {
                bytes.push(first);
                rest = &rest[1..];
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

fn is_suspect(path: &str) -> bool {
    let bytes = path.as_bytes();
    bytes.iter().any(|&b| b == b'%' || !is_plain(b))
        || bytes.windows(2).any(|two| two[0] == b'/' && matches!(two[1], b'/' | b'.'))
}

/// Escapes of what needs none are undone, all others in capitals; what needs one gets it.
fn unescaped(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some(&first) = rest.first() {
        match escape(rest) {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                out.push(char::from(byte))
            }
            Some(byte) => push_escaped(byte, &mut out),
            None if first == b'%' || is_plain(first) => {
                out.push(char::from(first));
                rest = &rest[1..];
                continue;
            }
            None => {
                push_escaped(first, &mut out);
                rest = &rest[1..];
                continue;
            }
        }
        rest = &rest[3..];
    }
    out
}

fn resolved(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let slash = if path.ends_with('/') && !segments.is_empty() { "/" } else { "" };
    format!("/{}{slash}", segments.join("/"))
}

/// The byte that an escape at the beginning stands for.
fn escape(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else { return None };
    let digit = |b: &u8| char::from(*b).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? * 16 + digit(low)?)
}

pub(crate) fn push_escaped(byte: u8, into: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    into.extend(['%', char::from(HEX[usize::from(byte >> 4)]), char::from(HEX[usize::from(byte & 15)])]);
}

/// What a path may hold as it is.
pub(crate) fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/[]".contains(&byte)
}

fn is_reserved(byte: u8) -> bool {
    b":/?#[]@!$&'()*+,;=%".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_brought_into_one_form() {
        let check = |path: &str, expected: &str| {
            assert_eq!(normal(path).as_deref().unwrap_or(path), expected, "{path}");
        };
        check("/a/b", "/a/b");
        check("/a/../b//c/./d/", "/b/c/d/");
        check("/%61%2fb%2Fc%20d", "/a%2Fb%2Fc%20d");
        check("/a%2e%2e/%2e%2e/x", "/x");
        check("/../..", "/");
        check("//", "/");
        check("/a/..", "/");
        check("/a/.", "/a");
        check("/.well-known/x", "/.well-known/x");
        check("/a...", "/a...");
        check("/100%", "/100%");
        check("/%zz", "/%zz");
        check("/a|b", "/a%7Cb");
        check("/a;b=c,d@[e]", "/a;b=c,d@[e]");
    }

    #[test]
    fn the_normal_form_of_a_normal_form_is_itself() {
        for path in ["/%252e%252e/x", "/a%2Fb/..%2F", "/%7E/%25", "/x%", "/é"] {
            let once = normal(path).unwrap_or_else(|| path.to_owned());
            assert_eq!(normal(&once), None, "{path}: {once}");
        }
    }

    #[test]
    fn rules_see_what_people_write() {
        assert_eq!(plain("/a%20b/%C3%A9"), "/a b/é");
        assert_eq!(plain("/a%2Fb%25%3F"), "/a%2Fb%25%3F");
        assert_eq!(plain("/%FF"), "/\u{fffd}");
        assert_eq!(plain("/a"), "/a");
    }
}
