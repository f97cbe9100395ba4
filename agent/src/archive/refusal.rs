//! Why an archive is not taken. Each of these is for whoever made the archive to read; nothing of the workspace was
//! changed.

/// What is wrong with an archive.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("it is empty")]
    Empty,
    #[error("it is no tar archive (plain, or compressed with gzip or zstd) and no zip archive")]
    Unknown,
    #[error("it is damaged or cut off{}: {why}", at(.entry))]
    Damaged { entry: String, why: String },
    #[error("the entry {entry:?} can be no file of a workspace: {why}")]
    Name { entry: String, why: &'static str },
    #[error("the entry {entry:?} comes more than once")]
    Twice { entry: String },
    #[error("the entry {entry:?} is a file, and other entries need a folder of this name")]
    FileAndFolder { entry: String },
    #[error("the entry {entry:?} is {kind}, and neither a file nor a folder")]
    Kind { entry: String, kind: &'static str },
    #[error(
        "the entry {entry:?} is a hard link to {target:?}, which is no file that the archive held before"
    )]
    HardLink { entry: String, target: String },
    #[error("the entry {entry:?} is a symbolic link to {target:?}, which lies outside of the archive")]
    SymbolicLink { entry: String, target: String },
    #[error("the entry {entry:?} would be written through the symbolic link {link:?}")]
    ThroughLink { entry: String, link: String },
    #[error("the entry {entry:?} is encrypted")]
    Encrypted { entry: String },
    #[error("it holds more than {limit} bytes, unpacked")]
    TooLarge { limit: u64 },
    #[error("it has more than {limit} entries")]
    TooMany { limit: usize },
    #[error("there is no file in it")]
    NoFiles,
}

fn at(entry: &str) -> String {
    if entry.is_empty() { String::new() } else { format!(" at the entry {entry:?}") }
}

impl Refusal {
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Empty | Self::Damaged { .. } => {
                "make it anew and upload it again; was the upload, or what made the archive, cut off?"
            }
            Self::Unknown => "make it with `tar czf NAME.tar.gz -C FOLDER .` or `zip -r NAME.zip .`",
            Self::Name { .. } | Self::Twice { .. } | Self::FileAndFolder { .. } | Self::Kind { .. } => {
                "make it of the workspace's folder alone, such as `tar czf NAME.tar.gz -C FOLDER .`"
            }
            Self::SymbolicLink { .. } | Self::ThroughLink { .. } => {
                "leave it out, such as with `tar czf NAME.tar.gz --exclude ENTRY -C FOLDER .`"
            }
            Self::HardLink { .. } => "make it with `tar --hard-dereference`",
            Self::Encrypted { .. } => "nobody here knows its password: make it without one",
            Self::TooLarge { .. } => {
                "the source of a workspace is kept in memory; leave dependencies and large data out, or raise the \
                 setting `max_source_mb`"
            }
            Self::TooMany { .. } => "leave dependencies such as `node_modules` out: they are installed here",
            Self::NoFiles => "to remove a workspace, delete its folder in the bucket",
        }
    }
}

/// Why an archive could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    #[error("the archive was refused")]
    Refused(#[from] Refusal),
    #[error("could not unpack to `{path}` below the source directory")]
    Disk {
        path: String,
        #[source]
        source: std::io::Error,
    },
}
