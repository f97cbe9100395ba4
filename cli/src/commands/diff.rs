//! `cloudyknight diff`: what differs between two releases, file by file and line by line.

use std::fmt::Write;
use std::process::ExitCode;

use cloudyknight_core::difference::{Change, Difference, FileDifference, NoText};

use crate::client::{Client, segment, workspace};
use crate::home::Home;
use crate::output::Output;

pub async fn run(
    home: &Home,
    name: &str,
    from: Option<&str>,
    to: Option<&str>,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let asked = [("from", from), ("to", to)];
    let asked = asked.iter().filter_map(|(key, value)| Some(format!("{key}={}", segment((*value)?))));
    let query = asked.collect::<Vec<_>>().join("&");
    let difference: Difference = Client::new(home)?.get(&workspace(name, &format!("diff?{query}"))).await?;
    if output.is_json() {
        anstream::println!("{}", serde_json::to_string(&difference)?);
    } else {
        anstream::print!("{}", text(&difference));
    }
    Ok(ExitCode::SUCCESS)
}

fn text(difference: &Difference) -> String {
    let (from, to) = (difference.from.short(), difference.to.short());
    let mut text = format!("{}: {from} → {to}\n", difference.workspace);
    if difference.files.is_empty() {
        text.push_str("no file differs\n");
    }
    for file in &difference.files {
        let _ = writeln!(text, "{}", summary(file));
    }
    for lines in difference.files.iter().filter_map(|file| file.text.as_ref()) {
        text.push('\n');
        text.push_str(&harmless(lines));
    }
    text
}

fn summary(file: &FileDifference) -> String {
    let size = |size: Option<u64>| size.unwrap_or_default();
    let (sign, sizes) = match file.change {
        Change::Added => ("+", format!("{} bytes", size(file.size_after))),
        Change::Removed => ("-", format!("{} bytes", size(file.size_before))),
        Change::Changed => ("~", format!("{} → {} bytes", size(file.size_before), size(file.size_after))),
    };
    let why = match file.no_text {
        None => "",
        Some(NoText::Binary) => ", no text",
        Some(NoText::TooLarge) => ", too large to show",
        Some(NoText::NoFile) => ", can be no file",
    };
    format!("{sign} {} ({sizes}{why})", file.path.escape_debug())
}

/// Files may hold what a terminal would obey.
fn harmless(text: &str) -> String {
    let plain = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    text.chars().map(|c| if plain(c) { c } else { '\u{fffd}' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_first_and_then_their_lines() {
        let file = |path: &str, change, before, after, text: Option<&str>, no_text| FileDifference {
            path: path.into(),
            change,
            size_before: before,
            size_after: after,
            text: text.map(str::to_owned),
            no_text,
        };
        let lines = "--- a/index.js\n+++ b/index.js\n@@ -1 +1 @@\n-one\n+two \u{1b}[31m\n";
        let difference = Difference {
            version: 1,
            workspace: "shop".parse().unwrap(),
            from: "a".repeat(64).parse().unwrap(),
            to: "b".repeat(64).parse().unwrap(),
            files: vec![
                file("index.js", Change::Changed, Some(4), Some(9), Some(lines), None),
                file("logo.png", Change::Added, None, Some(10_000), None, Some(NoText::Binary)),
                file("old\n.txt", Change::Removed, Some(3), None, None, Some(NoText::TooLarge)),
            ],
        };
        insta::assert_snapshot!(text(&difference));
    }
}
