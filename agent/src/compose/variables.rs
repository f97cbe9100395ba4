//! What the variables of a compose file stand for, in layers: the workspace's `.env`, the operator's, and for an
//! included file what its own folder adds. The host's own environment is never among them.

use std::collections::BTreeMap;
use std::rc::Rc;

/// The first layer that has a variable counts. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Variables {
    layers: Vec<Rc<BTreeMap<String, String>>>,
}

impl Variables {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.layers.iter().find_map(|layer| layer.get(name)).map(String::as_str)
    }

    /// These, and `defaults` for those that are not set.
    pub fn or(&self, defaults: BTreeMap<String, String>) -> Self {
        let mut layers = self.layers.clone();
        layers.push(Rc::new(defaults));
        Self { layers }
    }

    /// `first`, and these for those that are not set there.
    pub fn under(&self, first: BTreeMap<String, String>) -> Self {
        let mut layers = vec![Rc::new(first)];
        layers.extend(self.layers.iter().cloned());
        Self { layers }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_layer_that_has_a_variable_counts() {
        let layer = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let operator = Variables::default().or(layer(&[("A", "operator"), ("B", "operator")]));
        let root = operator.under(layer(&[("A", "dotenv")]));
        let included = root.or(layer(&[("A", "x"), ("B", "x"), ("C", "included")]));
        let all = |variables: &Variables| {
            ["A", "B", "C", "D"].map(|name| variables.get(name).unwrap_or("-").to_owned())
        };
        assert_eq!(all(&operator), ["operator", "operator", "-", "-"]);
        assert_eq!(all(&root), ["dotenv", "operator", "-", "-"]);
        assert_eq!(all(&included), ["dotenv", "operator", "included", "-"]);
    }
}
