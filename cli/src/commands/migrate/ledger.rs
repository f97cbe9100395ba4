//! What one run did to a bucket so far, and what follows from it for the next look at both sides: decided purely.

use std::collections::{BTreeMap, BTreeSet};

use cloudyknight_store::bucket::{Condition, Object};
use serde::Serialize;
use utoipa::ToSchema;

use super::difference::{Difference, difference};
use super::probe;

/// A key that cannot be had over there, however often it is tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Refusal {
    pub key: String,
    pub reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

#[derive(Default)]
pub struct Ledger {
    /// What was over there before this run did anything.
    before: Option<BTreeSet<String>>,
    /// Keys that were absent over there and are written now, or turned out to be taken, by the ETag here.
    tried: BTreeMap<String, String>,
    /// Those of them that this run wrote, which it may therefore delete.
    created: BTreeSet<String>,
    /// Contents that were compared and are equal though the servers made up other ETags.
    equal: BTreeMap<String, (String, String)>,
    refused: BTreeMap<String, Refusal>,
}

/// What is to be done now.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Round {
    pub missing: Vec<(Object, Condition)>,
    pub doubtful: Vec<(Object, Condition)>,
    /// What this run wrote over there, and what must not stay.
    pub withdrawn: Vec<String>,
    /// What this run wrote under another name, as it seems: it appeared when a written key did not.
    pub renamed: Vec<String>,
    /// What was over there, and is not here.
    pub extra: Vec<String>,
}

impl Round {
    pub fn work(&self) -> usize {
        let Self { missing, doubtful, withdrawn, renamed, extra } = self;
        missing.len() + doubtful.len() + withdrawn.len() + renamed.len() + extra.len()
    }
}

impl Ledger {
    pub fn next(&mut self, here: &[Object], there: &[Object]) -> Round {
        let before =
            self.before.get_or_insert_with(|| there.iter().map(|object| object.key.clone()).collect());
        let keys: BTreeSet<&str> = here.iter().chain(there).map(|object| object.key.as_str()).collect();
        self.refused.retain(|key, _| keys.contains(key.as_str()));
        // What is listed has its name. Should it be gone later, a renamed twin was withdrawn: it is tried anew.
        for object in there {
            self.tried.remove(&object.key);
        }
        let Difference { missing, doubtful, extra } = difference(here, there);
        let mut round = Round::default();
        for (object, condition) in missing {
            let again = condition == Condition::Absent && self.tried.get(&object.key) == Some(&object.etag);
            if self.refused.contains_key(&object.key) {
                continue;
            } else if again {
                // Under its own name, which the store over there understands in its way, it can be taken back.
                if self.created.remove(&object.key) {
                    round.withdrawn.push(object.key.clone());
                }
                self.refused.insert(object.key.clone(), not_listed(object.key));
            } else {
                round.missing.push((object, condition));
            }
        }
        for (object, condition) in doubtful {
            let known = self.equal.get(&object.key).is_some_and(|(ours, theirs)| {
                *ours == object.etag && condition == Condition::Unchanged(theirs.clone())
            });
            if !known && !self.refused.contains_key(&object.key) {
                round.doubtful.push((object, condition));
            }
        }
        let renames = self.refused.values().any(|refusal| refusal.reason == NOT_LISTED);
        for key in extra {
            if self.refused.contains_key(&key) {
                continue;
            } else if self.created.contains(&key) || probe::is_probe(&key) {
                round.withdrawn.push(key);
            } else if renames && !before.contains(&key) {
                round.renamed.push(key);
            } else {
                round.extra.push(key);
            }
        }
        round
    }

    pub fn wrote(&mut self, object: &Object, condition: &Condition) {
        if *condition == Condition::Absent {
            self.tried.insert(object.key.clone(), object.etag.clone());
            self.created.insert(object.key.clone());
        }
    }

    /// The key was not listed over there, and yet there is an object of it.
    pub fn found_taken(&mut self, object: &Object) {
        self.tried.insert(object.key.clone(), object.etag.clone());
    }

    pub fn found_equal(&mut self, object: &Object, condition: &Condition) {
        if let Condition::Unchanged(etag) = condition {
            self.equal.insert(object.key.clone(), (object.etag.clone(), etag.clone()));
        }
    }

    pub fn deleted(&mut self, key: &str) {
        self.tried.remove(key);
        self.created.remove(key);
    }

    /// The first reason stands.
    pub fn refuse(&mut self, refusal: Refusal) {
        self.refused.entry(refusal.key.clone()).or_insert(refusal);
    }

    pub fn refusals(self) -> Vec<Refusal> {
        self.refused.into_values().collect()
    }
}

const NOT_LISTED: &str = "the store over there does not list it under its name";

fn not_listed(key: String) -> Refusal {
    let hint = "give it another name here, one without `.`, `..` or empty parts".to_owned();
    Refusal { key, reason: NOT_LISTED.to_owned(), hint: Some(hint) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(key: &str, etag: &str) -> Object {
        Object { key: key.into(), etag: etag.into(), size: 1, modified_ms: 0 }
    }

    fn reasons(ledger: Ledger) -> Vec<(String, String)> {
        ledger.refusals().into_iter().map(|refusal| (refusal.key, refusal.reason)).collect()
    }

    #[test]
    fn what_this_run_wrote_is_withdrawn_when_it_is_gone_here() {
        let mut ledger = Ledger::default();
        ledger.next(&[object("a", "1")], &[object("old", "7")]);
        ledger.wrote(&object("a", "1"), &Condition::Absent);
        let round = ledger.next(&[], &[object("a", "1"), object("old", "7")]);
        let expected = Round { withdrawn: vec!["a".into()], extra: vec!["old".into()], ..Round::default() };
        assert_eq!(round, expected);
    }

    #[test]
    fn what_this_run_only_replaced_is_not_its_own() {
        let mut ledger = Ledger::default();
        ledger.next(&[object("a", "2")], &[object("a", "1")]);
        ledger.wrote(&object("a", "2"), &Condition::Unchanged("1".into()));
        let round = ledger.next(&[], &[object("a", "2")]);
        assert_eq!(round, Round { extra: vec!["a".into()], ..Round::default() });
    }

    #[test]
    fn a_written_key_that_is_listed_under_another_name_is_refused_and_withdrawn() {
        let mut ledger = Ledger::default();
        let here = [object("s/./x", "1")];
        ledger.next(&here, &[]);
        ledger.wrote(&here[0], &Condition::Absent);
        let round = ledger.next(&here, &[object("s/x", "1")]);
        let expected =
            Round { withdrawn: vec!["s/./x".into()], renamed: vec!["s/x".into()], ..Round::default() };
        assert_eq!(round, expected);
        ledger.deleted("s/./x");
        assert_eq!(ledger.next(&here, &[]), Round::default());
        assert_eq!(reasons(ledger), [("s/./x".to_owned(), NOT_LISTED.to_owned())]);
    }

    #[test]
    fn a_key_that_is_taken_but_not_listed_is_refused_and_left_alone() {
        let mut ledger = Ledger::default();
        let here = [object("s/./x", "1"), object("s/x", "2")];
        let there = [object("s/x", "2")];
        ledger.next(&here, &there);
        ledger.found_taken(&here[0]);
        assert_eq!(ledger.next(&here, &there), Round::default());
        assert_eq!(reasons(ledger), [("s/./x".to_owned(), NOT_LISTED.to_owned())]);
    }

    #[test]
    fn a_key_in_whose_place_another_was_written_is_copied_when_that_is_withdrawn() {
        let mut ledger = Ledger::default();
        let here = [object("s//x", "1"), object("s/x", "2")];
        ledger.next(&here, &[]);
        ledger.wrote(&here[0], &Condition::Absent);
        ledger.found_taken(&here[1]);
        assert_eq!(ledger.next(&here, &[object("s/x", "1")]).withdrawn, ["s//x"]);
        ledger.deleted("s//x");
        assert_eq!(ledger.next(&here, &[]).missing, [(here[1].clone(), Condition::Absent)]);
    }

    #[test]
    fn a_written_key_that_changed_here_and_is_gone_there_is_copied_again() {
        let mut ledger = Ledger::default();
        ledger.next(&[object("a", "1")], &[]);
        ledger.wrote(&object("a", "1"), &Condition::Absent);
        let round = ledger.next(&[object("a", "2")], &[]);
        assert_eq!(round.missing, [(object("a", "2"), Condition::Absent)]);
    }

    #[test]
    fn a_key_that_came_back_after_it_was_withdrawn_is_copied_again() {
        let mut ledger = Ledger::default();
        let here = [object("a", "1")];
        ledger.next(&here, &[]);
        ledger.wrote(&here[0], &Condition::Absent);
        assert_eq!(ledger.next(&[], &here).withdrawn, ["a"]);
        ledger.deleted("a");
        assert_eq!(ledger.next(&here, &[]).missing, [(here[0].clone(), Condition::Absent)]);
    }

    #[test]
    fn a_refused_key_is_tried_once_and_forgotten_when_it_is_gone() {
        let mut ledger = Ledger::default();
        let here = [object("a", "1"), object("b", "1")];
        assert_eq!(ledger.next(&here, &[]).missing.len(), 2);
        ledger.refuse(Refusal { key: "a".into(), reason: "no".into(), hint: None });
        assert_eq!(ledger.next(&here, &[object("b", "1")]), Round::default());
        assert_eq!(ledger.next(&here[1..], &[object("b", "1")]), Round::default());
        assert_eq!(reasons(ledger), []);
    }

    #[test]
    fn contents_are_compared_once_for_each_pair_of_etags() {
        let mut ledger = Ledger::default();
        let (here, there) = ([object("a", "1")], [object("a", "x")]);
        let round = ledger.next(&here, &there);
        assert_eq!(round.work(), 1);
        ledger.found_equal(&round.doubtful[0].0, &round.doubtful[0].1);
        assert_eq!(ledger.next(&here, &there), Round::default());
        assert_eq!(ledger.next(&here, &[object("a", "y")]).doubtful.len(), 1);
    }

    #[test]
    fn a_probe_that_was_left_behind_is_withdrawn() {
        let key = format!("{}0a1b", probe::PREFIX);
        let round = Ledger::default().next(&[], &[object(&key, "1")]);
        assert_eq!(round, Round { withdrawn: vec![key], ..Round::default() });
    }
}
