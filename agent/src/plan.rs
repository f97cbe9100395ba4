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
    /// It has ended with 0, by itself, and its service may end.
    Completed,
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
            Condition::Running | Condition::Completed => true,
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

    /// The first slot that no container is in. `None` while too many releases before still finish what they carry.
    pub fn free_slot(&self) -> Option<Slot> {
        let taken = self.taken();
        if taken.len() >= MOST_SLOTS {
            return None;
        }
        std::iter::successors(Some(Slot::FIRST), |slot| Some(slot.next())).find(|slot| !taken.contains(slot))
    }

    fn taken(&self) -> BTreeSet<Slot> {
        let all = self.live.values().chain(&self.retired).chain(&self.leftovers);
        all.flat_map(Seen::slots).chain(self.slot()).collect()
    }

    /// Does any of its containers still run? After a failure that is what people have left.
    pub fn serves_something(&self) -> bool {
        self.live.values().any(|one| one.condition == Condition::Running)
    }

    /// Do all of its containers run, or have they ended well?
    pub fn serves(&self) -> bool {
        !self.live.is_empty() && self.live.values().all(Seen::serves)
    }
}

/// So many releases of a workspace may be there at once, for each has networks.
const MOST_SLOTS: usize = 8;

/// What the release asks of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub spec: String,
    pub depends_on: BTreeSet<String>,
    /// Services with which it is replaced: it lives in their namespaces, or asks for it.
    pub follows: BTreeSet<String>,
    /// Two of it must not run at once: it publishes a fixed port, or writes to a named volume.
    pub exclusive: bool,
    /// The workspace's networks in which it meets other services, by their names in the file.
    pub networks: BTreeSet<String>,
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
    let last = running.taken().into_iter().max();
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
    } else if let Some(last) =
        last.filter(|_| plan.keep.values().any(|kept| kept.condition == Condition::Running))
    {
        // What is kept is in the networks of both releases until the old one is gone, and finds by name what is in the first
        // of them: not what is not ready yet.
        plan.slot = last.next();
    }
    plan
}

/// Live containers that stay: unchanged, running, and so is every service that they follow. What shares a network with
/// one that is started beside its predecessor is started as well, whether it changed or not: each release's services call
/// each other and never those of another. What cannot run twice is exchanged alone: nothing can spare its neighbours
/// that. What has ended calls nobody.
fn kept(wanted: &BTreeMap<String, Wanted>, live: &BTreeMap<String, Seen>) -> BTreeSet<String> {
    let unchanged = |service: &String| {
        let same = |live: &Seen, want: &Wanted| want.spec == live.identity.spec && live.serves();
        live.get(service).zip(wanted.get(service)).is_some_and(|(live, want)| same(live, want))
    };
    let mut kept: BTreeSet<String> = live.keys().filter(|service| unchanged(service)).cloned().collect();
    loop {
        let started = wanted.iter().filter(|(service, want)| !want.exclusive && !kept.contains(*service));
        let renewed: BTreeSet<&String> = started.flat_map(|(_, want)| &want.networks).collect();
        let stays = |service: &String| {
            let want = &wanted[service];
            let alone = want.exclusive
                || live[service].condition != Condition::Running
                || !want.networks.iter().any(|network| renewed.contains(network));
            alone && want.follows.iter().all(|other| kept.contains(other))
        };
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
