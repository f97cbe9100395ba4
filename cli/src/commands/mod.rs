//! One file a command.

use std::process::ExitCode;

use crate::args::{Args, Command, Listen, VolumesAction};
use crate::config::Config;
use crate::errors;
use crate::home::Home;
use crate::roles;

mod cancel;
mod diff;
mod doctor;
mod down;
mod env;
mod forget;
mod history;
mod logs;
mod ls;
mod migrate;
mod mount;
mod policy;
mod push;
mod restore;
mod retry;
mod rm;
mod rollback;
mod status;
mod unmount;
mod up;
mod volumes;
mod wait;
mod wish;

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let home = Home::new(args.home)?;
    let json = args.json;
    match args.command {
        Command::Up(listen) => up::run(&home, &listen, json).await,
        Command::Down { purge, yes } => down::run(&home, purge, yes, json).await,
        Command::Env => env::run(&home, json).await,
        Command::Status { name } => status::run(&home, name.as_deref(), json).await,
        Command::Wait { name, release, timeout } => {
            wait::run(&home, &name, release.as_deref(), timeout, json).await
        }
        Command::Logs { name, service, tail, follow } => {
            logs::run(&home, &name, service.as_deref(), tail, follow, json).await
        }
        Command::Ls { name } => ls::run(&home, name.as_deref(), json).await,
        Command::Push { dir, name, timeout } => push::run(&home, &dir, name, timeout, json).await,
        Command::Rm { name, yes } => rm::run(&home, &name, yes, json).await,
        Command::Retry { name, timeout } => retry::run(&home, &name, timeout, json).await,
        Command::History { name } => history::run(&home, &name, json).await,
        Command::Diff { name, from, to } => {
            diff::run(&home, &name, from.as_deref(), to.as_deref(), json).await
        }
        Command::Rollback { name, release, follow: false, patience } => {
            rollback::run(&home, &name, release.as_deref(), patience, json).await
        }
        Command::Rollback { name, follow: true, patience, .. } | Command::Unpin { name, patience } => {
            wish::run(&home, &name, "unpin", patience, json).await
        }
        Command::Restart { name, patience } => wish::run(&home, &name, "restart", patience, json).await,
        Command::Stop { name, patience } => wish::run(&home, &name, "stop", patience, json).await,
        Command::Start { name, patience } => wish::run(&home, &name, "start", patience, json).await,
        Command::Cancel { name } => cancel::run(&home, &name, json).await,
        Command::Restore { name, release, force, patience } => {
            restore::run(&home, &name, release.as_deref(), force, patience, json).await
        }
        Command::Forget { name, yes } => forget::run(&home, &name, yes, json).await,
        Command::Volumes { action: None, name } => volumes::list(&home, name.as_deref(), json).await,
        Command::Volumes { action: Some(VolumesAction::Rm { name, volume, yes }), .. } => {
            volumes::rm(&home, &name, &volume, yes, json).await
        }
        Command::Migrate { to, delete } => migrate::run(&home, &to, delete, json).await,
        Command::Policy { name } => policy::run(&home, name.as_deref(), json),
        Command::Mount { dir, foreground } => mount::run(&home, dir, foreground, json).await,
        Command::Unmount { dir, lazy } => unmount::run(&home, dir, lazy, json).await,
        Command::MountKeeper { dir } => mount::keep(home, dir).await,
        Command::MountGate { names } => crate::mount::gate::run(&names),
        Command::Doctor => doctor::run(&home, json).await,
        Command::Run(listen) => {
            roles::log::to_stderr();
            let config = Config::load(&home, &listen)?;
            let arguments = passed_on(&home, &listen);
            Ok(role(roles::supervise::run(home.clone(), config.edge, arguments).await))
        }
        Command::Serve(listen) => {
            let log = roles::log::to_stderr_and_memory();
            let config = Config::load(&home, &listen)?;
            let result = roles::serve::run(home.clone(), config, log).await;
            if let Err(error) = &result {
                roles::serve::tell_why(&home, error);
            }
            Ok(role(result))
        }
        Command::Ingest { ingest_listen } => {
            roles::log::to_stderr();
            let mut config = Config::load(&home, &Listen::default())?;
            config.ingest_listen = ingest_listen.or(config.ingest_listen);
            Ok(role(roles::ingest::run(home, config).await))
        }
        Command::Edge(listen) => {
            roles::log::to_stderr();
            let config = Config::load(&home, &listen)?;
            Ok(role(roles::edge::run(home, config).await))
        }
    }
}

/// How a role ends. Settings that cannot work are not mended by a new start; what a store refuses may be, by whoever
/// grants it, and until then the edge has to carry on.
fn role(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    errors::report(&error, false);
    if error.is::<errors::Hinted>() { ExitCode::from(roles::EXIT_SETTINGS) } else { ExitCode::FAILURE }
}

/// The arguments with which a process of the platform is started by another.
fn passed_on(home: &Home, listen: &Listen) -> Vec<String> {
    let mut arguments = vec!["--home".to_owned(), home.path().display().to_string()];
    for (flag, value) in [
        ("--s3-listen", &listen.s3_listen),
        ("--edge-listen", &listen.edge_listen),
        ("--edge", &listen.edge),
        ("--api-listen", &listen.api_listen),
        ("--domain", &listen.domain),
    ] {
        if let Some(value) = value {
            arguments.extend([flag.to_owned(), value.clone()]);
        }
    }
    arguments
}

/// Asks on a terminal; without one the answer must have been given with `--yes`.
fn confirmed(question: &str, yes: bool) -> anyhow::Result<bool> {
    use std::io::{BufRead, IsTerminal, Write};
    if yes {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        return Err(errors::hinted(
            "this deletes data, and nobody can be asked without a terminal",
            "add --yes",
        ));
    }
    anstream::eprint!("{question} [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
