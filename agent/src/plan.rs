//! Every choice of a deployment, made before anything is touched: what is kept, what is started in which order,
//! what must be stopped first, and what goes afterwards. `deploy` carries it out and chooses nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::identity::{DeploymentId, Identity, Slot};

/// A container of the workspace, as Docker shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub id: String,
    pub name: String,
    pub identity: Identity,
    pub condition: Condition,
    /// Docker's names of the networks it is in.
    pub networks: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    Running,
    /// Docker is about to start it again.
    Restarting,
    Exited {
        code: i64,
    },
    /// Made, but never started; or dead.
    Inert,
}

impl Seen {
    /// The slots whose networks it is in.
    pub fn slots(&self) -> impl Iterator<Item = Slot> {
        self.networks.iter().filter_map(|name| Slot::of_network(name))
    }

    fn serves(&self) -> bool {
        match self.condition {
            Condition::Running => true,
            Condition::Exited { code: 0 } => self.identity.one_shot,
            Condition::Exited { .. } | Condition::Restarting | Condition::Inert => false,
        }
    }
}

/// What a workspace runs, sorted out from its containers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Running {
    /// The containers that take traffic, or did until they stopped: by service.
    pub live: BTreeMap<String, Seen>,
    /// What took traffic before, and finishes what it was given.
    pub retired: Vec<Seen>,
    /// What an interrupted deployment left behind.
    pub leftovers: Vec<Seen>,
}

impl Running {
    /// Sorts out which containers are live, from their names alone: a container gets its final name only after the
    /// switch, and its predecessor is renamed first, to a name that says who took its place. So a deployment of which
    /// a retired container speaks is live, whatever its own containers are called.
    pub fn recover(seen: Vec<Seen>) -> Self {
        let switched: BTreeSet<DeploymentId> =
            seen.iter().filter_map(|one| one.identity.retired_by(&one.name)).collect();
        let mut running = Self::default();
        for one in seen {
            if one.identity.retired_by(&one.name).is_some() {
                running.retired.push(one);
                continue;
            }
            let promoted = one.identity.is_live_name(&one.name);
            if !promoted && !switched.contains(&one.identity.deployment) {
                running.leftovers.push(one);
                continue;
            }
            match running.live.remove(&one.identity.service) {
                None => {
                    running.live.insert(one.identity.service.clone(), one);
                }
                Some(other) => {
                    let (newer, older) = if other.identity.deployment < one.identity.deployment {
                        (one, other)
                    } else {
                        (other, one)
                    };
                    running.live.insert(newer.identity.service.clone(), newer);
                    running.leftovers.push(older);
                }
            }
        }
        running
    }

    pub fn slot(&self) -> Option<Slot> {
        let newest = self.live.values().max_by(|a, b| a.identity.deployment.cmp(&b.identity.deployment));
        newest.map(|one| one.identity.slot)
    }

    /// A slot that no container is in. `None` while too many releases before still finish what they carry.
    pub fn free_slot(&self) -> Option<Slot> {
        let all = self.live.values().chain(&self.retired).chain(&self.leftovers);
        let taken: BTreeSet<Slot> = all.flat_map(Seen::slots).chain(self.slot()).collect();
        Slot::ALL.into_iter().find(|slot| !taken.contains(slot))
    }

    /// Does any of its containers still run? After a failure that is what people have left.
    pub fn serves_something(&self) -> bool {
        self.live.values().any(|one| one.condition == Condition::Running)
    }

    /// Do all of its containers run?
    pub fn serves(&self) -> bool {
        !self.live.is_empty() && self.live.values().all(Seen::serves)
    }
}

/// What the release asks of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub spec: String,
    pub depends_on: BTreeSet<String>,
    /// Services with which it is replaced: it lives in their namespaces, or asks for it.
    pub follows: BTreeSet<String>,
    /// Two of it must not run at once: it publishes a fixed port, or writes to a named volume.
    pub exclusive: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Whose networks the new containers join.
    pub slot: Slot,
    /// Live containers that already are what the release asks for, by service.
    pub keep: BTreeMap<String, Seen>,
    /// Services to start, each after those it depends on.
    pub start: Vec<String>,
    /// Live containers to stop before their successor starts, by service.
    pub stop_first: BTreeMap<String, Seen>,
    /// Containers to remove after the switch: everything that was live and is not kept.
    pub retire: Vec<Seen>,
    /// Containers to remove at once.
    pub leftovers: Vec<Seen>,
}

/// `free` is a slot that nothing is in.
pub fn plan(wanted: &BTreeMap<String, Wanted>, running: Running, free: Slot) -> Plan {
    let current = running.slot();
    let mut plan = Plan {
        slot: free,
        keep: BTreeMap::new(),
        start: Vec::new(),
        stop_first: BTreeMap::new(),
        retire: Vec::new(),
        leftovers: running.leftovers,
    };
    let kept = kept(wanted, &running.live);
    for (service, live) in running.live {
        if kept.contains(&service) {
            plan.keep.insert(service, live);
            continue;
        }
        if wanted.get(&service).is_some_and(|want| want.exclusive) {
            plan.stop_first.insert(service, live.clone());
        }
        plan.retire.push(live);
    }
    plan.start = in_order(wanted).into_iter().filter(|service| !plan.keep.contains_key(service)).collect();
    if plan.start.is_empty() {
        // Nothing joins a network, so nothing has to move.
        plan.slot = current.unwrap_or(free);
    }
    plan
}

/// Live containers that stay: unchanged, running, and so is every service that they follow.
fn kept(wanted: &BTreeMap<String, Wanted>, live: &BTreeMap<String, Seen>) -> BTreeSet<String> {
    let unchanged = |service: &String| {
        let same = |live: &Seen, want: &Wanted| want.spec == live.identity.spec && live.serves();
        live.get(service).zip(wanted.get(service)).is_some_and(|(live, want)| same(live, want))
    };
    let mut kept: BTreeSet<String> = live.keys().filter(|service| unchanged(service)).cloned().collect();
    loop {
        let stays = |service: &String| wanted[service].follows.iter().all(|other| kept.contains(other));
        let fewer: BTreeSet<String> = kept.iter().filter(|service| stays(service)).cloned().collect();
        if fewer.len() == kept.len() {
            return kept;
        }
        kept = fewer;
    }
}

/// Services, each after those it depends on. Compose files with a cycle do not get this far; services on one would
/// come last.
fn in_order(wanted: &BTreeMap<String, Wanted>) -> Vec<String> {
    let mut order: Vec<String> = Vec::with_capacity(wanted.len());
    while order.len() < wanted.len() {
        let ready = |name: &String, want: &Wanted| {
            !order.contains(name)
                && want.depends_on.iter().all(|other| order.contains(other) || !wanted.contains_key(other))
        };
        let next: Vec<String> =
            wanted.iter().filter(|(name, want)| ready(name, want)).map(|(name, _)| name.clone()).collect();
        if next.is_empty() {
            let rest: Vec<String> = wanted.keys().filter(|name| !order.contains(name)).cloned().collect();
            order.extend(rest);
            break;
        }
        order.extend(next);
    }
    order
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
