//! The one place where the environment is read.

/// `None` when the variable is not set, or empty: an empty one is how shells take a value back.
#[expect(clippy::disallowed_methods, reason = "everybody else asks here")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
