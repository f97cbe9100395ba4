//! A command line that makes no sense, told as every other error is. (clap has a form of its own, in several lines, and
//! none for programs.)

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::errors::Hinted;

/// `None` where it is none: help or the version was asked for.
pub fn of(error: &clap::Error) -> Option<Hinted> {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return None;
    }
    Some(Hinted { message: message(error), hint: hint(error) })
}

/// Whether the answer is to be for programs: what was typed could not be read, and this may still be seen in it.
pub fn wants_json() -> bool {
    std::env::args_os().skip(1).take_while(|word| word != "--").any(|word| word == "--json")
}

fn message(error: &clap::Error) -> String {
    let text = |kind| text(error, kind).unwrap_or_default();
    let command = text(ContextKind::InvalidSubcommand);
    let argument = text(ContextKind::InvalidArg);
    let value = text(ContextKind::InvalidValue);
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            format!("there is no command `{command}`")
        }
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            format!("there is no option `{argument}` here")
        }
        ErrorKind::UnknownArgument => format!("`{argument}` is more than was expected"),
        ErrorKind::InvalidValue if value.is_empty() => format!("`{argument}` needs a value"),
        ErrorKind::InvalidValue => format!("`{value}` is no value of `{argument}`"),
        ErrorKind::ValueValidation => {
            let why = std::error::Error::source(error).map(|why| format!(": {why}")).unwrap_or_default();
            format!("`{value}` is no value of `{argument}`{why}")
        }
        ErrorKind::MissingRequiredArgument => format!("this is missing: {argument}"),
        ErrorKind::MissingSubcommand => {
            format!("`{command}` needs a command after it")
        }
        ErrorKind::ArgumentConflict => match text(ContextKind::PriorArg) {
            other if other.is_empty() || other == argument => format!("`{argument}` was given twice"),
            other if argument.is_empty() => format!("`{command}` does not go together with `{other}`"),
            other => format!("`{argument}` does not go together with `{other}`"),
        },
        _ => in_its_own_words(error),
    }
}

/// The first line of what clap says.
fn in_its_own_words(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    first.strip_prefix("error: ").unwrap_or(first).to_owned()
}

fn hint(error: &clap::Error) -> String {
    let suggested =
        [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue];
    let meant = suggested.into_iter().find_map(|kind| first(error, kind));
    let meant = meant.map(|meant| format!("did you mean `{meant}`?"));
    let values = [ContextKind::ValidValue, ContextKind::ValidSubcommand].into_iter();
    let values = values.filter_map(|kind| error.get(kind)).find_map(|values| match values {
        ContextValue::Strings(values) => few(values),
        _ => None,
    });
    // Of a command that can be used in two ways, both.
    let usage = text(error, ContextKind::Usage).unwrap_or_default();
    let usage = usage.strip_prefix("Usage: ").unwrap_or(&usage);
    let ways: Vec<&str> = usage.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let usage = match ways.join("` or `") {
        none if none.is_empty() => "`--help` after the command tells more".to_owned(),
        ways => format!("it goes `{ways}`, and `--help` tells more"),
    };
    meant.or(values).into_iter().chain([usage]).collect::<Vec<_>>().join(" ")
}

/// What there is, where that is little enough to be read in passing.
fn few(values: &[String]) -> Option<String> {
    let values: Vec<&str> = values.iter().map(String::as_str).filter(|value| *value != "help").collect();
    (1..=FEW).contains(&values.len()).then(|| format!("one of: {};", values.join(", ")))
}

const FEW: usize = 8;

/// As clap has it, and arguments without their brackets.
fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(bare(text)),
        ContextValue::Strings(all) => Some(all.iter().map(|one| bare(one)).collect::<Vec<_>>().join(", ")),
        ContextValue::StyledStr(text) => Some(text.to_string()),
        _ => None,
    }
}

fn bare(text: &str) -> String {
    let inside = |open, close| text.strip_prefix(open).and_then(|text| text.strip_suffix(close));
    inside('<', '>').or_else(|| inside('[', ']')).unwrap_or(text).to_owned()
}

/// Of several that are suggested, the nearest, which is the last.
fn first(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(all) => all.last().cloned(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::help::command;

    fn mistake(typed: &str) -> Option<Hinted> {
        let words = ["cloudyknight"].into_iter().chain(typed.split_whitespace());
        of(&command().try_get_matches_from(words).expect_err(typed))
    }

    #[test]
    fn each_kind_of_mistake_is_one_sentence_with_a_hint() {
        let told = |typed: &str| {
            let Hinted { message, hint } = mistake(typed).expect(typed);
            assert!(!message.contains('\n') && !hint.contains('\n'), "{typed}: {message} {hint}");
            format!("{typed}\n  {message}\n  {hint}\n")
        };
        let typed = [
            "statsu",
            "push --wach",
            "push a b c",
            "audit --limit",
            "audit --limit none",
            "audit --limit 0",
            "completions bahs",
            "token create ci --role root",
            "token create ci --expires soon",
            "rollback",
            "token --json",
            "--json",
            "push --watch --dry-run",
            "logs shop --platform",
            "status a --watch --watch",
            "volumes shop rm",
        ];
        insta::assert_snapshot!(typed.map(told).concat());
    }

    #[test]
    fn who_asks_for_help_or_the_version_makes_no_mistake() {
        for typed in ["--help", "push --help", "--version", "help push", "", "token"] {
            assert!(mistake(typed).is_none(), "{typed}");
        }
    }
}
