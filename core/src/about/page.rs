//! What the head of a page says of it: the title, the description and the icon. No parser of HTML: it reads what pages
//! written by people and generators have there, and whatever else it finds is as if it were not there.

/// As it stands in the page, entities aside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub title: Option<String>,
    pub description: Option<String>,
    pub icon: Option<String>,
}

/// In bytes. What comes later is not looked for.
const LONGEST_HEAD: usize = 64 << 10;

pub(super) fn read(text: &str) -> Page {
    let mut rest = &text[..text.floor_char_boundary(LONGEST_HEAD)];
    let mut page = Page::default();
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            let Some((_, after)) = comment.split_once("-->") else { break };
            rest = after;
            continue;
        }
        let name_end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let name = rest[..name_end].to_ascii_lowercase();
        let (attributes, after) = attributes(&rest[name_end..]);
        rest = after;
        let value =
            |name: &str| attributes.iter().find(|(other, _)| other == name).map(|(_, value)| decoded(value));
        match name.as_str() {
            "title" | "script" | "style" => {
                let (inside, after) = until_end(rest, &name);
                if name == "title" {
                    page.title.get_or_insert_with(|| decoded(inside));
                }
                rest = after;
            }
            "meta" if value("name").is_some_and(|name| name.eq_ignore_ascii_case("description")) => {
                page.description = page.description.or(value("content"));
            }
            "link" if value("rel").is_some_and(|rel| is_icon(&rel)) => {
                page.icon = page.icon.or(value("href"))
            }
            "body" => break,
            _ => {}
        }
    }
    page
}

fn is_icon(rel: &str) -> bool {
    rel.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case("icon"))
}

/// The attributes of a tag, with what follows its `>`.
fn attributes(text: &str) -> (Vec<(String, &str)>, &str) {
    let mut all = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        let end = rest.find(|c: char| c.is_ascii_whitespace() || "=>/".contains(c)).unwrap_or(rest.len());
        let name = rest[..end].to_ascii_lowercase();
        rest = rest[end..].trim_start();
        let value = match rest.strip_prefix('=').map(str::trim_start) {
            None => "",
            Some(given) => {
                let quote = given.chars().next().filter(|c| matches!(c, '"' | '\''));
                let (value, after) = match quote {
                    Some(quote) => given[1..].split_once(quote).unwrap_or((&given[1..], "")),
                    None => given.split_at(
                        given.find(|c: char| c.is_ascii_whitespace() || c == '>').unwrap_or(given.len()),
                    ),
                };
                rest = after;
                value
            }
        };
        if !name.is_empty() {
            all.push((name, value));
        } else if let Some(after) = rest.strip_prefix('>') {
            return (all, after);
        } else if rest.is_empty() {
            return (all, rest);
        } else if value.is_empty() {
            // A stray sign.
            rest = &rest[rest.chars().next().map_or(0, char::len_utf8)..];
        }
    }
}

/// What stands before the end tag, and what after it.
fn until_end<'t>(text: &'t str, name: &str) -> (&'t str, &'t str) {
    let lower = text.to_ascii_lowercase();
    match lower.find(&format!("</{name}")) {
        Some(at) => (&text[..at], &text[at..]),
        None => (text, ""),
    }
}

const ENTITIES: [(&str, &str); 7] =
    [("amp", "&"), ("lt", "<"), ("gt", ">"), ("quot", "\""), ("apos", "'"), ("nbsp", " "), ("middot", "·")];

fn decoded(text: &str) -> String {
    let mut all = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        all.push_str(before);
        let known = after.split_once(';').and_then(|(name, after)| Some((entity(name)?, after)));
        match known {
            Some((meaning, after)) => {
                all.push_str(&meaning);
                rest = after;
            }
            None => {
                all.push('&');
                rest = after;
            }
        }
    }
    all + rest
}

fn entity(name: &str) -> Option<String> {
    let number = |text: &str, radix| char::from_u32(u32::from_str_radix(text, radix).ok()?).map(String::from);
    match name.strip_prefix('#') {
        Some(hex) if hex.starts_with(['x', 'X']) => number(&hex[1..], 16),
        Some(decimal) => number(decimal, 10),
        None => ENTITIES.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, title: Option<&str>, description: Option<&str>, icon: Option<&str>) {
        let own = |text: Option<&str>| text.map(str::to_owned);
        let expected = Page { title: own(title), description: own(description), icon: own(icon) };
        assert_eq!(read(text), expected, "{text}");
    }

    #[test]
    fn the_head_of_a_page_is_read_as_people_write_it() {
        let page = "<!doctype html><html><head><meta charset=utf-8>\n<TITLE>Notes &amp; more &#183; &#x27;x&#x27;</TITLE>\n\
                    <meta content='All of it' name=\"Description\">\n<link rel=\"shortcut icon\" href=img/i.svg>\
                    <link rel=stylesheet href=a.css></head><body><title>other</title>";
        check(page, Some("Notes & more · 'x'"), Some("All of it"), Some("img/i.svg"));
        check("<h1>It is live</h1>", None, None, None);
        check("<title>only", Some("only"), None, None);
        check("<title>a</title><title>b</title>", Some("a"), None, None);
    }

    #[test]
    fn what_is_no_tag_of_the_head_says_nothing() {
        check("<!-- <title>no</title> --><title>yes</title>", Some("yes"), None, None);
        check("<script>'<title>no</title>'</script><title>yes</title>", Some("yes"), None, None);
        check("<body><title>no</title>", None, None, None);
        check("<!-- <title>no</title>", None, None, None);
        check(
            "<meta name=description content=\"a > b\"><meta name=\"x\" content=\"y\">",
            None,
            Some("a > b"),
            None,
        );
    }

    #[test]
    fn whatever_it_is_given_it_ends() {
        for text in [
            "<",
            "<<<",
            "<a",
            "<a =",
            "<a =>",
            "<a = b",
            "<a b='",
            "<meta name",
            "&",
            "<title>&#x110000;&#;&x;",
            "<é ü=>",
            "< / / >",
            "<a \"'>",
            "<a='x'y>",
        ] {
            let _ = read(text);
            let _ = read(&text.repeat(3000));
        }
    }
}
