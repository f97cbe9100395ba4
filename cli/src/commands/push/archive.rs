//! A whole folder as one upload through the API: a tar archive, compressed while it is sent, that becomes the workspace in
//! one step.

use std::io::Write;

use anyhow::Context;
use bytes::Bytes;
use cloudyknight_core::commit;
use cloudyknight_core::workspace::WorkspaceName;
use futures::stream;
use indicatif::ProgressBar;
use tokio::sync::mpsc;

use super::source::Source;
use crate::client::{Client, workspace};

/// Pieces that wait to be sent.
const WAITING: usize = 16;
/// The size of a piece, in bytes.
const PIECE: usize = 64 * 1024;

pub async fn upload(
    client: &Client,
    name: &WorkspaceName,
    source: &Source,
    progress: &ProgressBar,
) -> anyhow::Result<()> {
    let files = source.files.iter().filter(|(path, _)| !commit::is_own(path));
    let files: Vec<_> = files.map(|(path, file)| (path.clone(), file.at.clone())).collect();
    progress.set_length(source.files.values().map(|file| file.size).sum());
    let mut packing = None;
    let path = workspace(name.as_str(), "archive?format=tar.gz");
    let sent = client.put(&path, async || {
        let (pieces, waiting) = mpsc::channel(WAITING);
        let (files, told) = (files.clone(), progress.clone());
        told.set_position(0);
        packing = Some(tokio::task::spawn_blocking(move || {
            let failed = pack(files, Pieces(pieces.clone()), &told).err();
            // The upload must not look complete.
            if let Some(error) = failed {
                let broken = std::io::Error::other("the archive could not be made");
                let _ = pieces.blocking_send(Err(broken));
                return Err(error);
            }
            Ok(())
        }));
        Ok(stream::unfold(waiting, |mut waiting| async {
            let piece = waiting.recv().await?;
            Some((piece, waiting))
        }))
    });
    let sent = sent.await;
    let packed = match packing {
        Some(packing) => packing.await.context("the packing broke off")?,
        None => Ok(()),
    };
    match (packed, sent) {
        // Nobody reads on after the API has refused: then that is the reason.
        (_, Err(error)) if !error.chain().any(|cause| cause.to_string().contains("could not be made")) => {
            Err(error)
        }
        (Err(error), _) | (Ok(()), Err(error)) => Err(error),
        (Ok(()), Ok(_)) => Ok(()),
    }
}

fn pack(
    files: Vec<(String, std::path::PathBuf)>,
    pieces: Pieces,
    progress: &ProgressBar,
) -> anyhow::Result<()> {
    let buffered = std::io::BufWriter::with_capacity(PIECE, pieces);
    let packed = flate2::write::GzEncoder::new(buffered, flate2::Compression::fast());
    let mut archive = tar::Builder::new(packed);
    for (path, at) in files {
        let mut file =
            std::fs::File::open(&at).with_context(|| format!("could not read {}", at.display()))?;
        archive.append_file(&path, &mut file).with_context(|| format!("could not pack {}", at.display()))?;
        progress.inc(at.metadata().map_or(0, |file| file.len()));
    }
    let packed = archive.into_inner().context("could not end the archive")?;
    packed.finish().and_then(|mut buffered| buffered.flush()).context("could not end the archive")
}

/// What is written goes to whoever sends it.
struct Pieces(mpsc::Sender<std::io::Result<Bytes>>);

impl Write for Pieces {
    fn write(&mut self, piece: &[u8]) -> std::io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(piece)));
        sent.map_err(|_| std::io::Error::from(std::io::ErrorKind::BrokenPipe))?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
