use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;

/// So many names are looked at one after the other.
const NEAR_MAX: usize = 8;

/// Values by name, of which an issue has few: agents, tools.
///
/// The first ones are found by comparing, which takes a third of what a search in a tree does;
/// however many others a log makes up, each costs the logarithm of their number.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "BTreeMap<String, T>")]
pub(crate) struct Named<T> {
    /// The names that came first, at most [`NEAR_MAX`].
    near: Vec<(String, T)>,
    /// All others.
    far: BTreeMap<String, T>,
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self {
            near: Vec::new(),
            far: BTreeMap::new(),
        }
    }
}

impl<T> Named<T> {
    /// Returns the value of a name to change it.
    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        match self.near.iter().position(|(known, _)| known == name) {
            Some(at) => Some(&mut self.near[at].1),
            None => self.far.get_mut(name),
        }
    }

    /// Returns the value of a name to change it, which is made where there is none.
    pub(crate) fn get_or_insert_with(&mut self, name: &str, make: impl FnOnce() -> T) -> &mut T {
        let known = self.near.iter().position(|(known, _)| known == name);
        let at = match known {
            Some(at) => at,
            None if self.near.len() < NEAR_MAX => {
                self.near.push((name.to_owned(), make()));
                self.near.len() - 1
            }
            None => {
                if !self.far.contains_key(name) {
                    self.far.insert(name.to_owned(), make());
                }
                return self.far.get_mut(name).expect("it was inserted above");
            }
        };
        &mut self.near[at].1
    }

    /// Returns all, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &T)> {
        let near = self.near.iter().map(|(name, value)| (name, value));
        near.chain(&self.far)
    }

    /// Returns all, sorted by name.
    fn sorted(&self) -> BTreeMap<&String, &T> {
        self.iter().collect()
    }
}

/// Which names came first makes no difference.
impl<T: PartialEq> PartialEq for Named<T> {
    fn eq(&self, other: &Self) -> bool {
        self.sorted() == other.sorted()
    }
}

impl<T: Eq> Eq for Named<T> {}

impl<T> From<BTreeMap<String, T>> for Named<T> {
    fn from(values: BTreeMap<String, T>) -> Self {
        let mut values = values.into_iter();
        Self {
            near: values.by_ref().take(NEAR_MAX).collect(),
            far: values.collect(),
        }
    }
}

/// Written as a map.
impl<T: Serialize> Serialize for Named<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.sorted())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Property: few names or many, they are those of a map, and are written and read as one.
        #[test]
        fn values_are_found_by_name_as_in_a_map(
            names in prop::collection::vec("[a-d]{1,2}", 0..60),
        ) {
            let (mut named, mut map) = (Named::default(), BTreeMap::new());
            for name in names {
                *named.get_or_insert_with(&name, || 0) += 1_u64;
                *map.entry(name.clone()).or_insert(0) += 1;
                prop_assert_eq!(named.get_mut(&name), map.get_mut(&name));
            }
            prop_assert_eq!(named.get_mut("none"), None);
            let written = postcard::to_stdvec(&named).expect("it is written");
            prop_assert_eq!(&written, &postcard::to_stdvec(&map).expect("it is written"));
            let read: Named<u64> = postcard::from_bytes(&written).expect("it is read");
            prop_assert!(read == named);
            prop_assert!(read == Named::from(map));
        }
    }
}
