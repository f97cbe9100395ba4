//! What a workspace says about itself: a name, a sentence, a picture, and whether everybody may know of it. Read at each
//! deployment, from labels of its compose file, its `package.json` or the head of its `index.html`, for the catalogue of what
//! is live.
//!
//! Whoever can push writes it, and others read it on a page of somebody else: so it is short, in one line, without
//! characters that change how the text around them is read, and a picture is never an address of its own choosing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

mod page;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct About {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The path of a picture within the workspace, or one character to show in its place, such as an emoji.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    /// Whether the catalogue may list it: it does not say otherwise, and nothing stands before it that not everybody
    /// passes.
    pub public: bool,
}

/// In characters.
const LONGEST_TITLE: usize = 80;
const LONGEST_DESCRIPTION: usize = 300;
const LONGEST_ICON_PATH: usize = 200;
/// Of one visible character: a family of four with joiners has 7 code points, a flag of a region up to 7.
const LONGEST_ICON_TEXT: usize = 10;

/// How the names of its labels begin.
const LABEL: &str = "cloudyknight.";
const PICTURES: [&str; 9] = ["svg", "png", "ico", "jpg", "jpeg", "webp", "gif", "avif", "apng"];

impl About {
    /// `package` is the text of its `package.json`, `page` that of its `index.html`; of several services' `labels`, the
    /// first that says something counts. Labels count before the package, and that before the page. What cannot be used is
    /// as if it were not there.
    pub fn read<'l>(
        package: Option<&str>,
        page: Option<&str>,
        labels: impl IntoIterator<Item = &'l BTreeMap<String, String>>,
    ) -> Self {
        let package = package.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null);
        let labels: Vec<_> = labels.into_iter().collect();
        let label =
            |name: &str| labels.iter().find_map(|all| all.get(&format!("{LABEL}{name}"))).map(String::as_str);
        let field = |name: &str| package.get(name).and_then(Value::as_str);
        let name = || field("name").map(|name| name.rsplit('/').next().unwrap_or(name));
        let page = page.map(page::read).unwrap_or_default();
        let title = label("title").or(field("title")).or(field("displayName")).or_else(name);
        let description = label("description").or(field("description")).or(page.description.as_deref());
        Self {
            title: title.or(page.title.as_deref()).and_then(|text| one_line(text, LONGEST_TITLE)),
            description: description.and_then(|text| one_line(text, LONGEST_DESCRIPTION)),
            icon: label("icon").or(field("icon")).or(page.icon.as_deref()).and_then(icon),
            public: match label("public") {
                Some(said) => ["true", "yes", "on", "1"].contains(&said.trim().to_ascii_lowercase().as_str()),
                None => package.get("public").and_then(Value::as_bool) != Some(false),
            },
        }
    }

    /// The icon for a page elsewhere: a path within the workspace becomes one below `url`, where the workspace answers.
    pub fn icon_at(&self, url: &str) -> Option<String> {
        let icon = self.icon.as_deref()?;
        Some(if is_picture(icon) {
            format!("{}/{}", url.trim_end_matches('/'), encoded(icon))
        } else {
            icon.to_owned()
        })
    }
}

/// Without what would change the text around it, and cut where it is too long. `None`: nothing is left.
fn one_line(text: &str, longest: usize) -> Option<String> {
    // So that nobody's megabyte is gone through.
    let visible: String = text.chars().take(longest * 8).filter_map(shown).collect();
    let words = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= longest {
        return (!words.is_empty()).then_some(words);
    }
    let cut: String = words.chars().take(longest - 1).collect();
    Some(format!("{}…", cut.trim_end()))
}

/// A character as it may be shown; `None` for one that is not seen, and turns what stands beside it around.
fn shown(c: char) -> Option<char> {
    match c {
        '\t' | '\n' | '\r' | '\u{2028}' | '\u{2029}' => Some(' '),
        '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}' => None,
        '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' => None,
        c if c.is_control() => None,
        c => Some(c),
    }
}

fn icon(text: &str) -> Option<String> {
    let text = text.trim();
    let path = text.strip_prefix("./").unwrap_or(text).trim_start_matches('/');
    if is_picture(path) { Some(path.to_owned()) } else { is_one_character(text).then(|| text.to_owned()) }
}

/// A path of plain names that ends as pictures do. What has a scheme, a host or a query is none.
fn is_picture(path: &str) -> bool {
    let plain = |name: &str| {
        !name.is_empty()
            && !name.starts_with('.')
            && name.chars().all(|c| shown(c) == Some(c) && !"\\:?#\"'<>`{}|^%&".contains(c))
    };
    let ending = path.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    path.chars().count() <= LONGEST_ICON_PATH
        && path.split('/').all(plain)
        && ending.is_some_and(|ending| PICTURES.contains(&ending.as_str()))
}

/// One that is seen as one: a letter or a symbol, with what only changes how it looks.
fn is_one_character(text: &str) -> bool {
    let mut rest = text.chars();
    let Some(first) = rest.next() else { return false };
    let is_region = |c: char| ('\u{1f1e6}'..='\u{1f1ff}').contains(&c);
    if first.is_whitespace()
        || first == JOINER
        || shown(first) != Some(first)
        || "<>&\"'`\\/.".contains(first)
        || is_mark(first)
    {
        return false;
    }
    let mut joined = false;
    for (index, c) in rest.clone().enumerate() {
        let second_of_a_flag = index == 0 && is_region(first) && is_region(c);
        if !(joined && !c.is_ascii() || is_mark(c) || c == JOINER || second_of_a_flag) || shown(c) != Some(c)
        {
            return false;
        }
        joined = c == JOINER;
    }
    !joined && text.chars().count() <= LONGEST_ICON_TEXT
}

const JOINER: char = '\u{200d}';

/// What is put onto the character before it: accents, variation selectors, skin tones, keycaps, tags of a flag.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}')
        || ('\u{e0020}'..='\u{e007f}').contains(&c)
}

/// For a URL. What could mean something else in one is no part of such a path.
fn encoded(path: &str) -> String {
    let mut all = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                all.push(byte.into())
            }
            _ => all.push_str(&format!("%{byte:02X}")),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(all: &[(&str, &str)]) -> BTreeMap<String, String> {
        all.iter().map(|(name, value)| (format!("cloudyknight.{name}"), (*value).to_owned())).collect()
    }

    fn read(package: &str, all: &[(&str, &str)]) -> About {
        About::read(Some(package), None, [&labels(all)])
    }

    #[test]
    fn labels_come_before_the_package_and_a_workspace_that_says_nothing_is_public() {
        let nothing = About { title: None, description: None, icon: None, public: true };
        assert_eq!(About::read(None, None, []), nothing);
        for no_object in ["", "{", "[]", "7", "null", "\"x\""] {
            assert_eq!(read(no_object, &[]), nothing, "{no_object}");
        }
        let package =
            r#"{"name": "@me/shop", "description": "Buy", "icon": "./img/shop.svg", "private": true}"#;
        let about = read(package, &[]);
        assert_eq!(about.title.as_deref(), Some("shop"));
        assert_eq!(about.description.as_deref(), Some("Buy"));
        assert_eq!(about.icon.as_deref(), Some("img/shop.svg"));
        assert!(about.public, "`private` is about npm");
        let about = read(package, &[("title", "The shop"), ("icon", "🛒"), ("public", "no")]);
        assert_eq!(about.title.as_deref(), Some("The shop"));
        assert_eq!(about.description.as_deref(), Some("Buy"));
        assert_eq!((about.icon.as_deref(), about.public), (Some("🛒"), false));
        assert!(!read(r#"{"public": false}"#, &[]).public);
        assert!(read(r#"{"public": false}"#, &[("public", "True")]).public);
        assert_eq!(read(r#"{"name": 7, "description": {}, "icon": []}"#, &[]), nothing);
    }

    #[test]
    fn a_page_says_what_nothing_else_does() {
        let page = "<title>The page</title><meta name=description content='Of the page'><link rel=icon href=./i.svg>";
        let about = About::read(None, Some(page), []);
        assert_eq!((about.title.as_deref(), about.icon.as_deref()), (Some("The page"), Some("i.svg")));
        assert_eq!(about.description.as_deref(), Some("Of the page"));
        let about = About::read(Some(r#"{"name": "app"}"#), Some(page), [&labels(&[("icon", "🛒")])]);
        assert_eq!((about.title.as_deref(), about.icon.as_deref()), (Some("app"), Some("🛒")));
        assert_eq!(about.description.as_deref(), Some("Of the page"));
        let elsewhere = "<link rel=icon href='data:image/svg+xml,<svg/>'>";
        assert_eq!(About::read(None, Some(elsewhere), []).icon, None);
    }

    #[test]
    fn the_first_service_that_says_something_counts() {
        let (db, web) =
            (labels(&[("description", "of db")]), labels(&[("title", "Web"), ("description", "x")]));
        let about = About::read(None, None, [&db, &web]);
        assert_eq!((about.title.as_deref(), about.description.as_deref()), (Some("Web"), Some("of db")));
    }

    #[test]
    fn what_is_said_is_one_short_line_and_turns_nothing_around() {
        let title = |text: &str| read("", &[("title", text)]).title;
        assert_eq!(title("  two\n lines\t ").as_deref(), Some("two lines"));
        assert_eq!(title("a\u{202e}b\u{0}c\u{200b}d\u{1b}[31m").as_deref(), Some("abcd[31m"));
        assert_eq!(title(" \n\u{feff}"), None);
        assert_eq!(
            title("<script>alert(1)</script>").as_deref(),
            Some("<script>alert(1)</script>"),
            "as it is: pages escape"
        );
        let long = title(&"ä".repeat(5000)).unwrap();
        assert_eq!((long.chars().count(), long.ends_with('…')), (80, true));
    }

    #[test]
    fn an_icon_is_a_picture_of_the_workspace_or_one_character() {
        let icon = |text: &str| read("", &[("icon", text)]).icon;
        for (text, expected) in [
            ("icon.svg", "icon.svg"),
            ("/img/the icon.PNG", "img/the icon.PNG"),
            ("./a.webp", "a.webp"),
            ("🛒", "🛒"),
            ("👩🏽‍💻", "👩🏽‍💻"),
            ("🇨🇭", "🇨🇭"),
            ("A", "A"),
            ("é", "é"),
            ("✔️", "✔️"),
        ] {
            assert_eq!(icon(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "AB",
            "<",
            "🛒🛒",
            "javascript:alert(1)//.svg",
            "data:image/svg+xml,x.svg",
            "https://elsewhere.example/x.png",
            "//elsewhere.example:80/x.png",
            "../../other/x.svg",
            "a/../x.svg",
            ".hidden/x.svg",
            "x.html",
            "x.svg?y",
            "x\u{202e}.svg",
            "\u{200d}",
            "a\u{200d}",
            "x\" onerror=\"y.svg",
        ] {
            assert_eq!(icon(text), None, "{text}");
        }
        assert_eq!(
            icon("//elsewhere.example/x.png").as_deref(),
            Some("elsewhere.example/x.png"),
            "below its own URL"
        );
    }

    #[test]
    fn a_picture_is_looked_for_where_the_workspace_answers() {
        let at = |icon: &str, url: &str| read("", &[("icon", icon)]).icon_at(url);
        let expected = "http://localhost:8080/shop/img/the%20icon.svg";
        assert_eq!(at("img/the icon.svg", "http://localhost:8080/shop/").as_deref(), Some(expected));
        assert_eq!(at("i.svg", "http://a.example").as_deref(), Some("http://a.example/i.svg"));
        assert_eq!(at("🛒", "http://a.example").as_deref(), Some("🛒"));
    }
}
