//! The keeper of the mounted folder: starts rclone, starts it again when it ends, has it forget what changed, and unmounts
//! when it is asked to stop. Not one of the processes that carry the platform: what serves, serves on without it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::lock::RoleLock;
use crate::backends::Store;
use crate::config::Config;
use crate::environment::variable;
use crate::errors::{self, Hinted};
use crate::home::Home;
use crate::mount::control::Control;
use crate::mount::follow::Follower;
use crate::mount::options::{self, Access, Mount};
use crate::mount::program::{self, Rclone};
use crate::mount::written::{self, Written};
use crate::mount::{self, Files, ROLE, Report, State, excluded, gate, point};
use crate::processes;
use crate::s3::Place;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// An rclone that ran this long was well: the pause starts small again.
const WELL: Duration = Duration::from_secs(30);
/// Until a new mount answers.
const READY: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How often rclone is asked whether it lives, and how long it may think.
const PULSE: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(5);
/// For what is written and not uploaded yet, at the end.
const FLUSH: Duration = Duration::from_secs(20);

/// Keeps `dir` mounted until it is asked to stop.
pub async fn run(home: Home, config: Config, dir: PathBuf) -> anyhow::Result<()> {
    home.make()?;
    super::raise_file_limit();
    // One is enough: whoever was first is asked by everybody.
    let Some(_lock) = RoleLock::take_if_free(&home, ROLE)? else { return Ok(()) };
    let keeper = Keeper {
        device: mount::device(&home),
        control: Control::new(Files(&home).control()),
        home,
        config,
        dir,
    };
    let kept = keeper.keep().await;
    if let Err(error) = &kept {
        keeper.failed(error);
    }
    kept
}

struct Keeper {
    home: Home,
    config: Config,
    dir: PathBuf,
    device: String,
    control: Control,
}

/// Why a life of rclone ended.
enum End {
    Asked,
    /// It ended by itself, or does not answer any more.
    Lost(String),
}

impl Keeper {
    async fn keep(&self) -> anyhow::Result<()> {
        let stop = CancellationToken::new();
        let stopping = stop.clone();
        tokio::spawn(async move {
            // Without a handler for signals nobody could stop us properly: then we stop at once.
            if let Err(error) = super::asked_to_stop().await {
                tracing::error!(error = format!("{error:#}"), "cannot be asked to stop");
            }
            stopping.cancel();
        });
        let mut pause = FIRST_PAUSE;
        let mut was_mounted = false;
        while !stop.is_cancelled() {
            let began = Instant::now();
            match self.live(&mut was_mounted, &stop).await {
                Ok(End::Asked) => return Ok(()),
                Ok(End::Lost(why)) => tracing::warn!(why, "the mount is lost, and comes again"),
                // Nobody but whoever asked for it can help, and they are still there.
                Err(error) if !was_mounted && error.is::<Hinted>() => {
                    self.clear()?;
                    return Err(error);
                }
                Err(error) => {
                    tracing::warn!(error = errors::sentence(&error), "could not mount; trying on");
                    self.failed(&error);
                }
            }
            pause = if began.elapsed() >= WELL { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
        self.gone(0)
    }

    /// One life of rclone.
    async fn live(&self, was_mounted: &mut bool, stop: &CancellationToken) -> anyhow::Result<End> {
        program::fuse_device()?;
        program::fusermount()?;
        let rclone = program::find(&self.home, &self.config)?;
        self.clear()?;
        point::prepare(&self.dir)?;
        self.say(State::Mounting, Some(&rclone), None);
        let changes = Files(&self.home).changes();
        let written = Written::default();
        let is_told = self.config.store == Store::Embedded;
        let follower = Follower::new(&changes, &self.control, &written);
        let line = if is_told { follower.begin().await } else { None };
        let followed = async {
            match is_told {
                true => follower.follow(line).await,
                false => std::future::pending().await,
            }
        };
        let mut followed = std::pin::pin!(followed);
        let (mut child, uploads) = self.start(&rclone).await?;
        let ready = tokio::select! {
            ready = self.ready(&mut child) => Some(ready),
            () = &mut followed => unreachable!("it follows for ever"),
            () = stop.cancelled() => None,
        };
        let Some(ready) = ready else {
            drop(child);
            self.gone(0)?;
            return Ok(End::Asked);
        };
        ready?;
        follower.ready().await?;
        *was_mounted = true;
        self.say(State::Mounted, Some(&rclone), None);
        tracing::info!(dir = %self.dir.display(), rclone = rclone.version, "mounted");
        let why = tokio::select! {
            status = child.wait() => format!("rclone ended: {}", status.context("could not wait for rclone")?),
            why = self.pulse() => why,
            () = &mut followed => unreachable!("it follows for ever"),
            () = written.tend(&self.control, uploads, is_told) => unreachable!("it tends for ever"),
            () = stop.cancelled() => {
                self.end(child).await?;
                return Ok(End::Asked);
            }
        };
        Ok(End::Lost(why))
    }

    /// Starts it; answers it, and the keys that it uploads, as it tells of them.
    async fn start(&self, rclone: &Rclone) -> anyhow::Result<(Child, mpsc::UnboundedReceiver<String>)> {
        let place = Place::of(&self.home).await?;
        let credentials = place.clients.credentials().await;
        let credentials =
            credentials.with_context(|| format!("there are no credentials for {}", place.endpoint))?;
        let (path_style, is_aws) = match &self.config.store {
            Store::Embedded => (true, false),
            Store::S3(endpoint) => (self.config.path_style.unwrap_or(!endpoint.is_aws), endpoint.is_aws),
        };
        let changes_with_time = credentials.session_token.is_some();
        let access = Access {
            endpoint: &place.endpoint,
            region: &place.region,
            path_style,
            is_aws,
            credentials: Some(&credentials).filter(|_| !changes_with_time),
        };
        let files = Files(&self.home);
        let own = std::env::current_exe().context("could not find our own program")?;
        let arguments = options::arguments(&Mount {
            dir: &self.dir,
            bucket: &place.workspaces,
            device: &self.device,
            cache: files.cache(),
            control: files.control(),
            relist_ms: Some(self.config.mount_relist_ms).filter(|_| self.config.store != Store::Embedded),
            owner: variable("SUDO_UID").zip(variable("SUDO_GID")),
            is_root: rustix::process::geteuid().is_root(),
            program: &own,
            exclude: &self.config.mount_exclude,
        });
        remove_file(&files.control())?;
        let passed_on = options::PASSED_ON.iter().chain(options::OF_AWS.iter().filter(|_| changes_with_time));
        let mut command = Command::new(&rclone.path);
        command.args(arguments).env_clear();
        command.envs(passed_on.filter_map(|name| Some((*name, variable(name)?))));
        command.envs(
            self.config.profile.iter().filter(|_| changes_with_time).map(|profile| ("AWS_PROFILE", profile)),
        );
        command.envs(options::environment(&access));
        // An interrupt that is typed at a terminal is for us, and we unmount.
        command.stdin(Stdio::null()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
        let child = command.spawn();
        let mut child = child.with_context(|| format!("could not start {}", rclone.path.display()))?;
        let (told, uploads) = mpsc::unbounded_channel();
        if let Some(words) = child.stderr.take() {
            tokio::spawn(pass_on(words, told));
        }
        Ok((child, uploads))
    }

    /// Waits until the folder answers, and not only is there.
    async fn ready(&self, child: &mut Child) -> anyhow::Result<()> {
        let give_up = Instant::now() + READY;
        loop {
            if let Some(status) = child.try_wait().context("could not look after rclone")? {
                let log = self.home.log(ROLE);
                return Err(anyhow::anyhow!(
                    "rclone could not mount ({status}); its words are in {}",
                    log.display()
                ));
            }
            if point::of_device(&self.device)?.contains(&self.dir)
                && self.control.answers(PATIENCE).await.is_ok()
            {
                let dir = self.dir.clone();
                // A folder that does not answer must not hold us up as well.
                let listed = tokio::task::spawn_blocking(move || std::fs::read_dir(dir).map(Iterator::count));
                if let Ok(Ok(Ok(_))) = tokio::time::timeout(PATIENCE, listed).await {
                    return Ok(());
                }
            }
            if Instant::now() >= give_up {
                return Err(anyhow::anyhow!("the mount does not answer after {} s", READY.as_secs()));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Ends when rclone does not answer any more, or its mount is gone.
    async fn pulse(&self) -> String {
        let mut missed = 0;
        loop {
            tokio::time::sleep(PULSE).await;
            match self.control.answers(PATIENCE).await {
                Ok(()) => missed = 0,
                Err(error) => {
                    missed += 1;
                    if missed == 3 {
                        return errors::sentence(&error.into());
                    }
                }
            }
            if point::of_device(&self.device).is_ok_and(|dirs| !dirs.contains(&self.dir)) {
                return "somebody unmounted it".to_owned();
            }
        }
    }

    /// Uploads what is not uploaded yet, for a while, and unmounts.
    async fn end(&self, mut child: Child) -> anyhow::Result<()> {
        let unsent = self.flush().await;
        for dir in point::of_device(&self.device)? {
            if point::unmount(&dir, false).is_err() {
                tracing::warn!(dir = %dir.display(), "it is in use, and is gone for whoever looks anew");
                point::unmount(&dir, true)?;
            }
        }
        // It ends with its mount, and first writes down what it still has to send.
        if tokio::time::timeout(PATIENCE, child.wait()).await.is_err() {
            tracing::warn!("rclone does not end, and is ended");
        }
        drop(child);
        self.gone(unsent)
    }

    /// Says that nothing is mounted any more, once that is so.
    fn gone(&self, unsent: usize) -> anyhow::Result<()> {
        self.clear()?;
        let report = Report { unsent, ..self.report(State::Unmounted, None) };
        self.write(&report);
        tracing::info!(unsent, "unmounted");
        Ok(())
    }

    /// How many files are still not in the bucket. Those that are to stay here do not count.
    async fn flush(&self) -> usize {
        let give_up = Instant::now() + FLUSH;
        loop {
            // An rclone that does not answer can send nothing; what it had is sent at the next mount.
            let Ok(queue) = self.control.queue(PATIENCE).await else { return 0 };
            let unsent = queue
                .iter()
                .filter(|file| !excluded::is_excluded(&file.name, &self.config.mount_exclude))
                .count();
            if unsent == 0 || Instant::now() >= give_up {
                return unsent;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Takes away what is left of a mount of ours, and an rclone that a keeper before us started.
    fn clear(&self) -> anyhow::Result<()> {
        clear(&self.home, &self.device)
    }

    fn report(&self, state: State, rclone: Option<&Rclone>) -> Report {
        Report {
            dir: self.dir.clone(),
            state,
            rclone: rclone.map(|rclone| rclone.version.clone()),
            message: None,
            hint: None,
            unsent: 0,
        }
    }

    fn say(&self, state: State, rclone: Option<&Rclone>, error: Option<&anyhow::Error>) {
        let mut report = self.report(state, rclone);
        report.message = error.map(errors::sentence);
        report.hint = error.and_then(errors::hint);
        self.write(&report);
    }

    fn failed(&self, error: &anyhow::Error) {
        self.say(State::Failed, None, Some(error));
    }

    fn write(&self, report: &Report) {
        let text = serde_json::to_vec_pretty(report).expect("a report is plain data");
        if let Err(error) = crate::home::write_private(&Files(&self.home).report(), &text) {
            tracing::warn!(error = format!("{error:#}"), "could not say how the mount is");
        }
    }
}

/// What rclone says goes to our log; but not, for each of thousands of files and every few minutes, that it stays here, and
/// not what it does all day.
async fn pass_on(words: ChildStderr, told: mpsc::UnboundedSender<String>) {
    let mut lines = BufReader::new(words).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(key) = written::uploaded(&line) {
            // Nobody listens before the mount answers, and after its end.
            let _ = told.send(key.to_owned());
        }
        if !line.contains(gate::STAYS) && !line.contains(" INFO  : ") {
            eprintln!("{line}");
        }
    }
}

/// Ends every rclone of this home and takes its mounts away.
pub fn clear(home: &Home, device: &str) -> anyhow::Result<()> {
    let dirs = point::unmount_device(device)?;
    for process in processes::rclone(home) {
        match kill_process(process, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(error).context("could not end rclone"),
        }
    }
    if !dirs.is_empty() {
        tracing::info!(?dirs, "took away what was left of a mount");
    }
    Ok(())
}

fn remove_file(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
