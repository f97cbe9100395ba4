//! Ends a deployment from outside, as long as it has not switched: because a newer push is there, or because somebody
//! asked for it.
//!
//! It takes effect where a deployment waits, and between two of the things that it does to Docker, but never in the
//! middle of one: what was asked of Docker is answered, so that all of it is known and can be taken back.

use std::sync::Arc;

use tokio::sync::watch;

use super::DeployError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Something newer is to run.
    Superseded,
    /// Somebody asked for its end.
    Cancelled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    Cut(Why),
    /// It is about to switch, or has ended.
    Closed,
}

/// One for each deployment, shared with whoever may end it.
#[derive(Clone, Debug)]
pub struct Cut(Arc<watch::Sender<Phase>>);

impl Default for Cut {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Phase::Open)))
    }
}

impl Cut {
    /// Ends the deployment; answers whether it was not too late for that.
    pub fn cut(&self, why: Why) -> bool {
        self.0.send_if_modified(|phase| {
            let open = *phase == Phase::Open;
            if open {
                *phase = Phase::Cut(why);
            }
            open
        })
    }

    /// From here on it is too late, unless it was cut before.
    pub fn close(&self) -> Result<(), DeployError> {
        self.0.send_if_modified(|phase| {
            let open = *phase == Phase::Open;
            if open {
                *phase = Phase::Closed;
            }
            open
        });
        self.check()
    }

    /// Fails if it was cut.
    pub fn check(&self) -> Result<(), DeployError> {
        match *self.0.borrow() {
            Phase::Cut(why) => Err(why.into()),
            Phase::Open | Phase::Closed => Ok(()),
        }
    }

    /// Waits for `work`, or until it is cut. Only for work that may be dropped anywhere: it waits or reads, and what it
    /// makes is known to whoever takes it back.
    pub async fn or<T>(&self, work: impl Future<Output = Result<T, DeployError>>) -> Result<T, DeployError> {
        tokio::select! {
            biased;
            why = self.came() => Err(why.into()),
            done = work => done,
        }
    }

    /// Waits for this time, or until it is cut.
    pub async fn sleep(&self, time: std::time::Duration) -> Result<(), DeployError> {
        let slept = async {
            tokio::time::sleep(time).await;
            Ok(())
        };
        self.or(slept).await
    }

    async fn came(&self) -> Why {
        let mut phases = self.0.subscribe();
        loop {
            if let Phase::Cut(why) = *phases.borrow_and_update() {
                return why;
            }
            if phases.changed().await.is_err() {
                // Nobody is left who could.
                std::future::pending::<()>().await;
            }
        }
    }
}

impl From<Why> for DeployError {
    fn from(why: Why) -> Self {
        match why {
            Why::Superseded => Self::Superseded,
            Why::Cancelled => Self::Cancelled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::Kind;

    #[tokio::test]
    async fn what_waits_ends_when_it_is_cut_and_the_first_reason_counts() {
        let cut = Cut::default();
        let waiting = cut.or(std::future::pending::<Result<(), DeployError>>());
        let (ended, first) = tokio::join!(waiting, async { cut.cut(Why::Cancelled) });
        assert!(first && !cut.cut(Why::Superseded));
        assert_eq!(ended.unwrap_err().kind(), Kind::Cancelled);
        assert_eq!(cut.close().unwrap_err().kind(), Kind::Cancelled);
    }

    #[tokio::test]
    async fn what_has_begun_to_switch_is_not_cut_any_more() {
        let cut = Cut::default();
        cut.close().unwrap();
        assert!(!cut.cut(Why::Cancelled));
        assert!(cut.check().is_ok());
        assert!(cut.or(async { Ok(()) }).await.is_ok());
    }
}
