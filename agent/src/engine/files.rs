//! Files of a container: put into it, whether it runs or not, and taken out of one that runs.

use std::time::Duration;

use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use bollard::query_parameters::UploadToContainerOptionsBuilder;
use bytes::Bytes;
use futures::StreamExt;
use tokio::io::AsyncWriteExt;

use super::{Engine, EngineError};

const UNPACK: &str = "unpack files in a container";
const REMOVE: &str = "remove files in a container";

impl Engine {
    /// Unpacks an archive in the container's own file system, from its root. Docker resolves every path inside of the
    /// container, links too; what is mounted as memory it does not see.
    pub async fn put(&self, id: &str, archive: Bytes, limit: Duration) -> Result<(), EngineError> {
        let options = UploadToContainerOptionsBuilder::new().path("/").build();
        let putting = self.patient()?.upload_to_container(id, Some(options), bollard::body_full(archive));
        let limited = tokio::time::timeout(limit, putting).await;
        let put = limited.map_err(|_| EngineError::TooLong { operation: UNPACK.to_owned(), limit })?;
        put.map_err(|error| EngineError::of(UNPACK, error))
    }

    /// The same by the `tar` of the container, as its user: also where memory is mounted.
    pub async fn unpack(&self, id: &str, archive: Bytes, limit: Duration) -> Result<(), EngineError> {
        let command = ["tar", "-x", "-f", "-", "-C", "/"].map(str::to_owned).to_vec();
        let config = ExecConfig {
            cmd: Some(command),
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..Default::default()
        };
        let failed = |error| EngineError::of(UNPACK, error);
        let unpacking = async {
            let exec = self.docker()?.create_exec(id, config).await.map_err(failed)?.id;
            let attached =
                self.docker()?.start_exec(&exec, None::<StartExecOptions>).await.map_err(failed)?;
            let StartExecResults::Attached { mut output, mut input } = attached else {
                return Err(refused(UNPACK, "Docker does not listen"));
            };
            let write = async {
                // A `tar` that ended early has said why.
                let _ = input.write_all(&archive).await;
                let _ = input.shutdown().await;
            };
            let read = async {
                let mut said = String::new();
                while let Some(piece) = output.next().await {
                    if let Ok(piece) = piece {
                        said = piece.to_string();
                    }
                }
                said
            };
            let ((), said) = tokio::join!(write, read);
            let ended = self.docker()?.inspect_exec(&exec).await.map_err(failed)?;
            match ended.exit_code {
                Some(0) => Ok(()),
                _ => Err(refused(UNPACK, said.trim())),
            }
        };
        let too_long = |_| EngineError::TooLong { operation: UNPACK.to_owned(), limit };
        tokio::time::timeout(limit, unpacking).await.map_err(too_long)?
    }

    /// Removes files; `as_root` or as the user of the container. What is not there is removed already.
    pub async fn remove_files(
        &self,
        id: &str,
        paths: &[&str],
        as_root: bool,
        limit: Duration,
    ) -> Result<(), EngineError> {
        let mut said = Vec::new();
        match self.run(id, &["rm", "-f", "--"], paths, as_root, limit, &mut said).await? {
            0 => Ok(()),
            _ => Err(refused(REMOVE, &said.join("; "))),
        }
    }

    /// Removes folders in which nothing is; others stay.
    pub async fn remove_folders(
        &self,
        id: &str,
        paths: &[&str],
        as_root: bool,
        limit: Duration,
    ) -> Result<(), EngineError> {
        // It goes on with the next one where one cannot be removed, and what it says then does not matter.
        self.run(id, &["rmdir", "--"], paths, as_root, limit, &mut Vec::new()).await.map(drop)
    }

    async fn run(
        &self,
        id: &str,
        command: &[&str],
        paths: &[&str],
        as_root: bool,
        limit: Duration,
        said: &mut Vec<String>,
    ) -> Result<i64, EngineError> {
        let config = ExecConfig {
            cmd: Some(command.iter().chain(paths).map(|word| (*word).to_owned()).collect()),
            user: as_root.then(|| "0:0".to_owned()),
            ..Default::default()
        };
        self.exec_as(id, REMOVE, config, limit, said).await
    }
}

fn refused(operation: &str, message: &str) -> EngineError {
    EngineError::Refused { operation: operation.to_owned(), message: message.to_owned(), status: 500 }
}
