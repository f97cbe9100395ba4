//! Relative paths of a compose file that stands in a folder: rewritten so that they start from the root of the
//! workspace, before the file is merged with others.
//!
//! A path that would leave the workspace stays one that does: its reader refuses it.

use super::node::{Map, Node, Value};
use super::workspace_path::{is_path, is_windows};

/// Rewrites every relative path of a compose file whose project directory is `folder`.
pub(super) fn file(map: &mut Map, folder: &str) {
    if folder.is_empty() {
        return;
    }
    let base = Base(folder);
    for (name, entry) in map.entries.iter_mut().map(|entry| (entry.key.as_str(), &mut entry.value)) {
        match name {
            "services" => each(entry, |service| base.service(service)),
            "configs" | "secrets" => each(entry, |definition| base.at_key(definition, "file")),
            "volumes" => each(entry, |volume| base.volume(volume)),
            "include" => base.include(entry),
            _ => {}
        }
    }
}

/// A `build` without a context means the project directory, which the including file's is not.
pub(super) fn default_contexts(map: &mut Map, folder: &str) {
    if folder.is_empty() {
        return;
    }
    let Some(services) = map.get_mut("services") else { return };
    each(services, |service| {
        let Value::Map(service) = &mut service.value else { return };
        let Some(build) = service.get_mut("build") else { return };
        let at = build.at;
        if let Value::Map(build) = &mut build.value
            && build.given("context").is_none()
        {
            build.remove("context");
            let value = Node::text_at(at, format!("./{folder}"));
            build.entries.push(super::node::Entry {
                key: "context".to_owned(),
                key_at: at,
                value,
                tag: None,
            });
        }
    });
}

/// `path`, seen from the root of the workspace, if it is seen from `folder` now.
pub(super) fn path(path: &str, folder: &str) -> String {
    if folder.is_empty() || path.starts_with(['/', '~', '\\']) || is_windows(path) {
        return path.to_owned();
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.pop().is_none() => return format!("./{folder}/{path}"),
            ".." => {}
            part => parts.push(part),
        }
    }
    format!("./{}", parts.join("/"))
}

/// The folder that a file of the workspace stands in; empty for the root.
pub(super) fn folder_of(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(folder, _)| folder)
}

struct Base<'f>(&'f str);

impl Base<'_> {
    fn text(&self, node: &mut Node) {
        if let Value::Text(text) = &mut node.value
            && !text.is_empty()
        {
            *text = path(text, self.0);
        }
    }

    /// One path, or a list of them; `key` is where a longer form has it.
    fn texts(&self, node: &mut Node, key: &str) {
        match &mut node.value {
            Value::Null => {}
            Value::Text(_) => self.text(node),
            Value::List(items) => items.iter_mut().for_each(|item| self.texts(item, key)),
            Value::Map(_) => self.at_key(node, key),
        }
    }

    fn at_key(&self, node: &mut Node, key: &str) {
        if let Value::Map(map) = &mut node.value
            && let Some(node) = map.get_mut(key)
        {
            self.text(node);
        }
    }

    fn service(&self, service: &mut Node) {
        let Value::Map(map) = &mut service.value else { return };
        for entry in &mut map.entries {
            let node = &mut entry.value;
            match entry.key.as_str() {
                "build" => self.build(node),
                "env_file" | "label_file" => self.texts(node, "path"),
                "extends" => self.at_key(node, "file"),
                "volumes" => items(node, |item| self.mount(item)),
                "develop" => {
                    if let Value::Map(develop) = &mut node.value
                        && let Some(watch) = develop.get_mut("watch")
                    {
                        items(watch, |rule| self.at_key(rule, "path"));
                    }
                }
                _ => {}
            }
        }
    }

    fn build(&self, node: &mut Node) {
        match &mut node.value {
            Value::Text(_) => self.context(node),
            Value::Map(build) => {
                if let Some(context) = build.get_mut("context") {
                    self.context(context);
                }
                if let Some(more) = build.get_mut("additional_contexts") {
                    match &mut more.value {
                        Value::List(_) => items(more, |item| self.named_context(item)),
                        _ => each(more, |context| self.context(context)),
                    }
                }
            }
            Value::Null | Value::List(_) => {}
        }
    }

    fn context(&self, node: &mut Node) {
        if let Value::Text(text) = &node.value
            && !is_elsewhere(text)
        {
            self.text(node);
        }
    }

    /// `name=path`
    fn named_context(&self, node: &mut Node) {
        if let Value::Text(text) = &mut node.value
            && let Some((name, context)) = text.split_once('=')
            && !context.is_empty()
            && !is_elsewhere(context)
        {
            *text = format!("{name}={}", path(context, self.0));
        }
    }

    fn mount(&self, node: &mut Node) {
        match &mut node.value {
            Value::Text(text) => {
                if is_path(text)
                    && let Some((source, rest)) = text.split_once(':')
                    && !is_windows(text)
                {
                    *text = format!("{}:{rest}", path(source, self.0));
                }
            }
            Value::Map(map) => {
                let bind = map.get("type").is_some_and(|node| node.value.is_text("bind"));
                if bind && let Some(source) = map.get_mut("source") {
                    self.text(source);
                }
            }
            Value::Null | Value::List(_) => {}
        }
    }

    /// The local driver binds a path when its options say so.
    fn volume(&self, node: &mut Node) {
        let Value::Map(volume) = &mut node.value else { return };
        let Some(Node { value: Value::Map(options), .. }) = volume.get_mut("driver_opts") else { return };
        let binds = options.get("o").is_some_and(|node| match &node.value {
            Value::Text(flags) => flags.split(',').any(|flag| matches!(flag.trim(), "bind" | "rbind")),
            _ => false,
        });
        if binds && let Some(device) = options.get_mut("device") {
            self.text(device);
        }
    }

    fn include(&self, node: &mut Node) {
        items(node, |item| match &mut item.value {
            Value::Text(text) if is_elsewhere(text) => {}
            Value::Text(_) => self.text(item),
            Value::Map(map) => {
                for key in ["path", "project_directory", "env_file"] {
                    if let Some(node) = map.get_mut(key) {
                        self.texts(node, key);
                    }
                }
            }
            Value::Null | Value::List(_) => {}
        });
    }
}

/// A URL, an image, a service or a repository, and no path.
pub(super) fn is_elsewhere(text: &str) -> bool {
    text.contains("://")
        || text.starts_with("service:")
        || text.starts_with("git@")
        || text.starts_with("github.com/")
}

fn each(node: &mut Node, mut visit: impl FnMut(&mut Node)) {
    if let Value::Map(map) = &mut node.value {
        map.entries.iter_mut().for_each(|entry| visit(&mut entry.value));
    }
}

fn items(node: &mut Node, visit: impl FnMut(&mut Node)) {
    if let Value::List(items) = &mut node.value {
        items.iter_mut().for_each(visit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_path_starts_from_the_root_afterwards() {
        let check = |given: &str, folder: &str, expected: &str| {
            assert_eq!(path(given, folder), expected, "{given} in {folder}");
        };
        check("./x", "", "./x");
        check("x", "a", "./a/x");
        check("./x/", "a/b", "./a/b/x");
        check("../x", "a/b", "./a/x");
        check("..", "a", "./");
        check(".", "a", "./a");
        check("../../x", "a", "./a/../../x");
        check("/etc", "a", "/etc");
        check("~/x", "a", "~/x");
        check("C:\\x", "a", "C:\\x");
        assert_eq!([folder_of("a/b.yml"), folder_of("b.yml")], ["a", ""]);
    }
}
