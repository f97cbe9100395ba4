//! What somebody may have meant who mistyped a name.

/// The one that is nearest to what was typed, if any is near: one slip in a short name, two in a longer one.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let slips = if typed.chars().count() < 5 { 1 } else { 2 };
    let distances = known.into_iter().map(|name| (strsim::osa_distance(typed, name), name));
    distances.filter(|(distance, _)| *distance <= slips).min().map(|(_, name)| name)
}

/// A hint that begins with it.
pub fn hint<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>, otherwise: &str) -> String {
    match nearest(typed, known) {
        Some(name) => format!("did you mean `{name}`? {otherwise}"),
        None => otherwise.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        let known = ["blog", "shop", "monitor", "api"];
        let check =
            |typed: &str, expected: Option<&str>| assert_eq!(nearest(typed, known), expected, "{typed}");
        check("blgo", Some("blog"));
        check("blogg", Some("blog"));
        check("mointor", Some("monitor"));
        check("montr", Some("monitor"));
        check("ap", Some("api"));
        check("www", None);
        check("database", None);
        assert_eq!(hint("blgo", known, "`ls` lists them"), "did you mean `blog`? `ls` lists them");
        assert_eq!(hint("other", known, "`ls` lists them"), "`ls` lists them");
    }
}
