//! What a copy of a bucket still lacks: decided purely, from both listings.

use std::collections::BTreeMap;

use cloudyknight_store::bucket::{Condition, Object};

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// What is to be copied, and what must still be true of the key over there.
    pub missing: Vec<(Object, Condition)>,
    /// Of the same size under different ETags, which servers may make up: their contents have to be compared.
    pub doubtful: Vec<(Object, Condition)>,
    /// What is only over there.
    pub extra: Vec<String>,
}

pub fn difference(here: &[Object], there: &[Object]) -> Difference {
    let mut rest: BTreeMap<&str, &Object> =
        there.iter().map(|object| (object.key.as_str(), object)).collect();
    let mut difference = Difference::default();
    for object in here {
        match rest.remove(object.key.as_str()) {
            None => difference.missing.push((object.clone(), Condition::Absent)),
            Some(other) if other.size == object.size && other.etag == object.etag => {}
            Some(other) => {
                let found = (object.clone(), Condition::Unchanged(other.etag.clone()));
                if other.size == object.size {
                    difference.doubtful.push(found);
                } else {
                    difference.missing.push(found);
                }
            }
        }
    }
    difference.extra = rest.into_keys().map(str::to_owned).collect();
    difference
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(key: &str, etag: &str, size: u64) -> Object {
        Object { key: key.into(), etag: etag.into(), size, modified_ms: 0 }
    }

    #[test]
    fn what_is_equal_is_left_alone() {
        let objects = [object("a", "1", 3), object("b", "2", 0)];
        assert_eq!(difference(&objects, &objects), Difference::default());
    }

    #[test]
    fn what_is_missing_differs_or_is_too_much_is_told_apart() {
        let here = [object("changed", "2", 5), object("doubtful", "1-2", 9), object("new", "3", 1)];
        let there = [object("changed", "1", 4), object("doubtful", "1-3", 9), object("old", "7", 7)];
        let expected = Difference {
            missing: vec![
                (here[0].clone(), Condition::Unchanged("1".into())),
                (here[2].clone(), Condition::Absent),
            ],
            doubtful: vec![(here[1].clone(), Condition::Unchanged("1-3".into()))],
            extra: vec!["old".into()],
        };
        assert_eq!(difference(&here, &there), expected);
    }
}
