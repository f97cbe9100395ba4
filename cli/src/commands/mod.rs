//! One file a command.

use std::process::ExitCode;

use crate::args::{Args, Command, Listen, Patience, TokenAction, VolumesAction};
use crate::config::Config;
use crate::errors;
use crate::home::Home;
use crate::output::Output;
use crate::roles;

mod audit;
mod cancel;
mod completions;
mod config;
mod diff;
mod doctor;
mod down;
mod env;
mod follow;
mod forget;
mod history;
mod logs;
mod ls;
mod man;
mod migrate;
mod mount;
mod new;
mod open;
mod policy;
mod push;
mod restore;
mod retry;
mod rm;
mod rollback;
mod schema;
mod status;
mod token;
mod unmount;
mod up;
mod volumes;
mod wait;
mod wish;

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let home = Home::new(args.home)?;
    let output = Output::new(args.json, args.quiet);
    match args.command {
        Command::Up(listen) => up::run(&home, &listen, output).await,
        Command::Down { purge, yes } => down::run(&home, purge, yes, output).await,
        Command::Env => env::run(&home, output).await,
        Command::Status { name, watch: false } => status::run(&home, name.as_deref(), output).await,
        Command::Status { name, watch: true } => status::watch::run(&home, name.as_deref(), output).await,
        Command::Wait { name, release, patience: Patience { timeout } } => {
            wait::run(&home, &name, release.as_deref(), timeout, output).await
        }
        Command::Logs(asked) => logs::run(&home, &asked, output).await,
        Command::Ls { name } => ls::run(&home, name.as_deref(), output).await,
        Command::Push(asked) => push::run(&home, asked, output).await,
        Command::New { dir, template } => new::run(dir.as_deref(), template.as_deref(), output),
        Command::Open { name } => open::run(&home, name.as_deref(), output).await,
        Command::Rm { name, yes } => rm::run(&home, &name, yes, output).await,
        Command::Retry { name, patience: Patience { timeout } } => {
            retry::run(&home, &name, timeout, output).await
        }
        Command::History { name, limit } => history::run(&home, &name, limit, output).await,
        Command::Diff { name, from, to } => {
            diff::run(&home, &name, from.as_deref(), to.as_deref(), output).await
        }
        Command::Rollback { name, release, follow: false, patience } => {
            rollback::run(&home, &name, release.as_deref(), patience, output).await
        }
        Command::Rollback { name, follow: true, patience, .. } | Command::Unpin { name, patience } => {
            wish::run(&home, &name, "unpin", patience, output).await
        }
        Command::Restart { name, patience } => wish::run(&home, &name, "restart", patience, output).await,
        Command::Stop { name, patience } => wish::run(&home, &name, "stop", patience, output).await,
        Command::Start { name, patience } => wish::run(&home, &name, "start", patience, output).await,
        Command::Cancel { name } => cancel::run(&home, &name, output).await,
        Command::Restore { name, release, force, patience } => {
            restore::run(&home, &name, release.as_deref(), force, patience, output).await
        }
        Command::Forget { name, yes } => forget::run(&home, &name, yes, output).await,
        Command::Volumes { action: None, name } => volumes::list(&home, name.as_deref(), output).await,
        Command::Volumes { action: Some(VolumesAction::Rm { name, volume, yes }), .. } => {
            volumes::rm(&home, &name, &volume, yes, output).await
        }
        Command::Migrate { to, delete } => migrate::run(&home, &to, delete, output).await,
        Command::Policy { name } => policy::run(&home, name.as_deref(), output).await,
        Command::Token { action: TokenAction::Create(asked) } => token::create(&home, &asked, output).await,
        Command::Token { action: TokenAction::Ls } => token::ls(&home, output).await,
        Command::Token { action: TokenAction::Rm { token } } => token::rm(&home, &token, output).await,
        Command::Audit { limit } => audit::run(&home, limit, output).await,
        Command::Config { key } => config::run(&home, key.as_deref(), output),
        Command::Completions { shell } => completions::run(shell, output),
        Command::Man { dir } => man::run(dir.as_deref(), output),
        Command::Schema { command, markdown } => schema::run(&command, markdown),
        Command::Mount { dir, foreground } => mount::run(&home, dir, foreground, output).await,
        Command::Unmount { dir, lazy } => unmount::run(&home, dir, lazy, output).await,
        Command::MountKeeper { dir } => mount::keep(home, dir).await,
        Command::MountGate { names } => crate::mount::gate::run(&names),
        Command::Doctor => doctor::run(&home, output).await,
        Command::Run(listen) => {
            roles::log::to_stderr();
            Ok(role(supervise(home, &listen).await))
        }
        Command::Serve(listen) => {
            let log = roles::log::to_stderr_and_memory();
            let result = match Config::load(&home, &listen) {
                Ok(config) => roles::serve::run(home.clone(), config, log).await,
                Err(error) => Err(error),
            };
            if let Err(error) = &result {
                roles::serve::tell_why(&home, error);
            }
            Ok(role(result))
        }
        Command::Ingest { ingest_listen } => {
            roles::log::to_stderr();
            let result = match Config::load(&home, &Listen::default()) {
                Ok(mut config) => {
                    config.ingest_listen = ingest_listen.or(config.ingest_listen);
                    roles::ingest::run(home, config).await
                }
                Err(error) => Err(error),
            };
            Ok(role(result))
        }
        Command::Edge(listen) => {
            roles::log::to_stderr();
            let result = match Config::load(&home, &listen) {
                Ok(config) => roles::edge::run(home, config).await,
                Err(error) => Err(error),
            };
            Ok(role(result))
        }
    }
}

async fn supervise(home: Home, listen: &Listen) -> anyhow::Result<()> {
    let config = Config::load(&home, listen)?;
    let arguments = passed_on(&home, listen);
    roles::supervise::run(home, config.edge, arguments).await
}

/// Prints what may be long; whoever reads may stop reading, as `head` does.
fn print(text: &[u8]) -> anyhow::Result<ExitCode> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
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
    let agreed = matches!(answer.trim(), "y" | "Y" | "yes");
    if !agreed {
        anstream::eprintln!("nothing was done");
    }
    Ok(agreed)
}
