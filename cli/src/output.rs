//! How a command speaks: in words, in words only where it was asked for them, or in JSON. Data that was asked for goes to
//! stdout; what is said beside it, and every trouble, to stderr.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    Words,
    /// Nothing but what was asked for, and trouble: the exit code tells the rest.
    Quiet,
    /// For programs: one document on stdout, or one a line where a command goes on.
    Json,
}

impl Output {
    /// Programs come first: with `--json`, `--quiet` has nothing to add.
    pub fn new(json: bool, quiet: bool) -> Self {
        match (json, quiet) {
            (true, _) => Self::Json,
            (false, true) => Self::Quiet,
            (false, false) => Self::Words,
        }
    }

    pub fn is_json(self) -> bool {
        self == Self::Json
    }

    /// Whether to say what nobody asked for: progress, and that all went well.
    pub fn talks(self) -> bool {
        self == Self::Words
    }
}

// What begins a line of trouble. Colours are taken away by `anstream` where nobody would see them, or wants them
// (`NO_COLOR`).
pub const ERROR: &str = "\u{1b}[1;31merror:\u{1b}[0m";
pub const WARNING: &str = "\u{1b}[1;33mwarning:\u{1b}[0m";
pub const HINT: &str = "\u{1b}[1;36mhint:\u{1b}[0m";
