//! YAML's tags in a compose file: those of YAML's core schema, and Compose's own `!reset` and `!override`.

use saphyr_parser::Tag as Written;

use super::node::Tag;
use super::problem::{Position, Problem, quoted};

/// A tag that means something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known<'t> {
    /// By its name in the core schema, such as `str`.
    Core(&'t str),
    Compose(Tag),
}

pub(super) fn known(tag: &Written, at: Position) -> Result<Known<'_>, Problem> {
    if tag.is_yaml_core_schema() {
        return Ok(Known::Core(&tag.suffix));
    }
    let local = match tag.handle.as_str() {
        "!" => Some(tag.suffix.as_str()),
        "" => tag.suffix.strip_prefix('!'),
        _ => None,
    };
    match local {
        Some("reset") => Ok(Known::Compose(Tag::Reset)),
        Some("override") => Ok(Known::Compose(Tag::Override)),
        // `!` alone says: text.
        Some("") => Ok(Known::Core("str")),
        _ => Err(Problem::at(at, format!("the YAML tag {} is not supported", quoted(&tag.to_string())))
            .hint("Compose's own are `!reset` and `!override`")),
    }
}

/// Such a tag stands where there is nothing that it could reset or override.
pub(super) fn misplaced(tag: Tag, at: Position) -> Problem {
    let name = match tag {
        Tag::Reset => "!reset",
        Tag::Override => "!override",
    };
    Problem::at(at, format!("`{name}` has no meaning here")).hint(
        "it stands before the value of a key, such as `ports: !reset []`, and not before an item of a list",
    )
}
