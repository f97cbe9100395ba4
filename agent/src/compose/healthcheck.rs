//! `healthcheck`: how to tell that a service works. It decides when a release takes traffic.

use std::time::Duration;

use super::duration;
use super::keys;
use super::model::Healthcheck;
use super::node::{Map, Node, Value};
use super::problem::{Problem, quoted};
use super::scope::Scope;

pub(super) fn healthcheck(node: &Node, scope: &mut Scope<'_>) -> Result<Healthcheck, Problem> {
    let map = node.map("`healthcheck`")?;
    keys::check(map, keys::HEALTHCHECK, "`healthcheck`", scope)?;
    let disable = map.given("disable").map(|node| node.boolean("`disable`")).transpose()?.unwrap_or(false);
    let test = map.given("test").map(test).transpose()?.unwrap_or_default();
    let check = Healthcheck::Check {
        interval: time(map, "interval")?,
        timeout: time(map, "timeout")?,
        retries: map.given("retries").map(|node| node.number("`retries`")).transpose()?,
        start_period: time(map, "start_period")?,
        start_interval: time(map, "start_interval")?,
        test,
    };
    Ok(match check {
        _ if disable => Healthcheck::Disabled,
        Healthcheck::Check { test, .. } if test == ["NONE"] => Healthcheck::Disabled,
        Healthcheck::Check {
            test,
            interval: None,
            timeout: None,
            retries: None,
            start_period: None,
            start_interval: None,
        } if test.is_empty() => Healthcheck::Inherit,
        check => check,
    })
}

/// In the form of the Docker API.
fn test(node: &Node) -> Result<Vec<String>, Problem> {
    if let Value::Text(command) = &node.value {
        return Ok(match command.as_str() {
            "" => Vec::new(),
            "NONE" => vec!["NONE".to_owned()],
            command => vec!["CMD-SHELL".to_owned(), command.to_owned()],
        });
    }
    let words = node.texts("`test`")?;
    let hint = "write `[CMD, program, argument]`, `[CMD-SHELL, \"command line\"]` or `[NONE]`";
    match words.as_slice() {
        [] | [("NONE", _)] | [("CMD", _), _, ..] | [("CMD-SHELL", _), _] => {}
        [("CMD" | "CMD-SHELL" | "NONE", at), ..] => {
            return Err(Problem::at(*at, "`test` has too few or too many words").hint(hint));
        }
        [(first, at), ..] => {
            let message =
                format!("`test` starts with `CMD`, `CMD-SHELL` or `NONE`, not with {}", quoted(first));
            return Err(Problem::at(*at, message).hint(hint));
        }
    }
    Ok(words.into_iter().map(|(word, _)| word.to_owned()).collect())
}

fn time(map: &Map, key: &str) -> Result<Option<Duration>, Problem> {
    map.given(key).map(|node| read_duration(node, key)).transpose()
}

pub(super) fn read_duration(node: &Node, key: &str) -> Result<Duration, Problem> {
    let text = node.text(&quoted(key))?;
    duration::parse(text)
        .map_err(|error| Problem::at(node.at, format!("`{key}`: {} is no duration: {error}", quoted(text))))
}
