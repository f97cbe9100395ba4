//! The health gate: no release takes traffic before each of its services is ready, and the reason why one is not
//! is found out for whoever pushed it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::time::Instant;

use super::{DeployError, Tools, ports};
use crate::compose::model::Healthcheck;
use crate::identity::Identity;

/// When a service counts as ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gate {
    /// A command inside the container succeeds. It may fail for so long as its file says that a start takes.
    Command { test: Vec<String>, timeout: Duration, start: Duration },
    /// Something accepts connections on this port.
    Port(u16),
    /// It is still running after a moment.
    Running,
    /// It has exited with 0.
    Completion,
}

/// What an exit with 0 before that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Failure,
    /// The service may end, and has done its work.
    Done,
}

impl End {
    pub fn of(identity: &Identity) -> Self {
        if identity.may_end() { Self::Done } else { Self::Failure }
    }
}

/// How long a service without port and health check must run to count as ready.
const MOMENT: Duration = Duration::from_millis(500);
const PORT_INTERVAL: Duration = Duration::from_millis(10);
const COMMAND_INTERVAL: Duration = Duration::from_millis(100);
/// How often an exit is looked for between two attempts.
const EXIT_INTERVAL: Duration = Duration::from_millis(100);
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
const COMMAND_LIMIT: Duration = Duration::from_secs(30);
/// The longest start that a file can ask for.
const MAX_START: Duration = Duration::from_secs(900);
const LOG_LINES: usize = 30;

impl Gate {
    /// The compose file's health check, else the image's, else the port, else that it keeps running.
    pub fn of(check: &Healthcheck, image_test: Option<&[String]>, port: Option<u16>) -> Self {
        let (own, timeout, start) = match check {
            Healthcheck::Check { test, timeout, start_period, .. } => {
                (Some(test.as_slice()), *timeout, *start_period)
            }
            Healthcheck::Inherit => (None, None, None),
            Healthcheck::Disabled => return port.map_or(Self::Running, Self::Port),
        };
        // A check without a test only says when the image's own runs.
        let test = own.filter(|test| !test.is_empty()).or(image_test);
        // Docker takes zero for its default as well.
        let timeout = timeout.filter(|timeout| !timeout.is_zero()).unwrap_or(COMMAND_LIMIT);
        match test {
            Some(test) => {
                let start = start.unwrap_or_default().min(MAX_START);
                Self::Command { test: test.to_vec(), timeout, start }
            }
            None => port.map_or(Self::Running, Self::Port),
        }
    }

    /// How long it is tried, given how long all are.
    fn limit(&self, usual: Duration) -> Duration {
        match self {
            Self::Command { start, .. } => usual.max(*start),
            Self::Port(_) | Self::Running | Self::Completion => usual,
        }
    }

    fn interval(&self) -> Duration {
        match self {
            Self::Port(_) => PORT_INTERVAL,
            Self::Command { .. } => COMMAND_INTERVAL,
            Self::Running | Self::Completion => EXIT_INTERVAL,
        }
    }
}

/// Waits until the service is ready, has ended, or the limit of the settings is over.
pub async fn ready(
    tools: &Tools,
    service: &str,
    container: &str,
    address: Option<Ipv4Addr>,
    gate: &Gate,
    end: End,
) -> Result<(), DeployError> {
    let may_end = end == End::Done || *gate == Gate::Completion;
    let began = Instant::now();
    let limit = gate.limit(tools.settings.health_timeout);
    let mut looked_for_exit = began;
    loop {
        let passed = match gate {
            Gate::Command { test, timeout, .. } => {
                // A check that hangs may not outlast the gate.
                let rest = limit.saturating_sub(began.elapsed()).max(COMMAND_INTERVAL);
                command_succeeds(tools, container, test, rest.min(*timeout)).await
            }
            Gate::Port(port) => match address {
                Some(address) => accepts(SocketAddr::new(address.into(), *port)).await,
                None => false,
            },
            Gate::Running => began.elapsed() >= MOMENT,
            Gate::Completion => false,
        };
        if passed && *gate != Gate::Running {
            return Ok(());
        }
        if passed || looked_for_exit.elapsed() >= EXIT_INTERVAL {
            looked_for_exit = Instant::now();
            match tools.engine.outcome(container).await? {
                Some(outcome) if may_end && outcome.code == 0 => return Ok(()),
                Some(outcome) => {
                    let log = tools.engine.log_tail(container, LOG_LINES).await;
                    return Err(DeployError::Exited {
                        service: service.to_owned(),
                        code: outcome.code,
                        out_of_memory: outcome.out_of_memory,
                        log,
                    });
                }
                None if passed => return Ok(()),
                None => {}
            }
        }
        if began.elapsed() >= limit {
            return Err(diagnose(tools, service, container, gate, limit).await);
        }
        tokio::time::sleep(gate.interval()).await;
    }
}

async fn accepts(address: SocketAddr) -> bool {
    let connecting = tokio::net::TcpStream::connect(address);
    matches!(tokio::time::timeout(CONNECT_LIMIT, connecting).await, Ok(Ok(_)))
}

/// Docker's own health check starts after one interval, seconds later than a deployment can wait; so we run it.
async fn command_succeeds(tools: &Tools, container: &str, test: &[String], limit: Duration) -> bool {
    let command: Vec<String> = match test.split_first() {
        Some((kind, rest)) if kind == "CMD" => rest.to_vec(),
        Some((kind, rest)) if kind == "CMD-SHELL" => {
            ["/bin/sh".to_owned(), "-c".to_owned()].into_iter().chain(rest.iter().cloned()).collect()
        }
        _ => test.to_vec(),
    };
    // A container that is about to exit refuses the command; its exit is what is then reported.
    matches!(tools.engine.exec(container, &command, limit).await, Ok(0))
}

async fn diagnose(
    tools: &Tools,
    service: &str,
    container: &str,
    gate: &Gate,
    limit: Duration,
) -> DeployError {
    let log = tools.engine.log_tail(container, LOG_LINES).await;
    let service = service.to_owned();
    match gate {
        Gate::Port(port) => {
            let process = tools.engine.addresses(container).await.ok().and_then(|(_, process)| process);
            let found = process.map(ports::listening).unwrap_or_default();
            DeployError::NotListening { service, port: *port, limit, found, log }
        }
        Gate::Command { test, .. } => DeployError::Unhealthy { service, check: test.join(" "), limit, log },
        Gate::Running | Gate::Completion => {
            DeployError::Unhealthy { service, check: "exit with code 0".into(), limit, log }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compose_file_decides_before_the_image_and_the_image_before_the_port() {
        let own = Healthcheck::Check {
            test: vec!["CMD".into(), "own".into()],
            interval: None,
            timeout: Some(Duration::from_secs(3)),
            retries: None,
            start_period: Some(Duration::from_secs(90)),
            start_interval: None,
        };
        let image = ["CMD".to_owned(), "image".to_owned()];
        let command = |test: &str, timeout| {
            let start = if test == "own" { Duration::from_secs(90) } else { Duration::ZERO };
            Gate::Command { test: vec!["CMD".into(), test.into()], timeout, start }
        };
        let check = |check: &Healthcheck, image: Option<&[String]>, port, expected| {
            assert_eq!(Gate::of(check, image, port), expected);
        };
        check(&own, Some(&image), Some(80), command("own", Duration::from_secs(3)));
        check(&Healthcheck::Inherit, Some(&image), Some(80), command("image", COMMAND_LIMIT));
        check(&Healthcheck::Inherit, None, Some(80), Gate::Port(80));
        let timing_only = Healthcheck::Check {
            test: Vec::new(),
            interval: None,
            timeout: Some(Duration::ZERO),
            retries: None,
            start_period: None,
            start_interval: None,
        };
        check(&timing_only, Some(&image), None, command("image", COMMAND_LIMIT));
        check(&timing_only, None, Some(80), Gate::Port(80));
        check(&Healthcheck::Disabled, Some(&image), Some(80), Gate::Port(80));
        check(&Healthcheck::Inherit, None, None, Gate::Running);
    }

    #[test]
    fn a_start_period_gives_a_check_more_time_and_never_less() {
        let usual = Duration::from_secs(60);
        let limit = |start: u64| {
            let start = Duration::from_secs(start).min(MAX_START);
            Gate::Command { test: Vec::new(), timeout: COMMAND_LIMIT, start }.limit(usual).as_secs()
        };
        assert_eq!([limit(0), limit(30), limit(90), limit(100_000)], [60, 60, 90, 900]);
        assert_eq!(Gate::Port(80).limit(usual), usual);
    }
}
