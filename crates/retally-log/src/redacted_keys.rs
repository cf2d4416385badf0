//! The keys of an object without their secrets: distinct ones stay distinct.

use crate::redactor::Redactor;
use std::collections::{BTreeMap, BTreeSet};

/// Returns the keys of one object without their secrets, in their order, or `None` where they stay
/// as they are.
///
/// A key that would become equal to another, or to one for which `is_taken`, gets a number: of
/// keys that become `[x]` the second is `[x]-2`. So an object never holds a key twice.
pub(crate) fn redact_keys<'k>(
    redactor: &dyn Redactor,
    keys: impl Iterator<Item = &'k str> + Clone,
    is_taken: impl Fn(&str) -> bool,
) -> Option<Vec<String>> {
    let redacted: Vec<_> = keys.clone().map(|key| redactor.redact_name(key)).collect();
    let pairs = || redacted.iter().zip(keys.clone());
    if pairs().all(|(redacted, key)| redacted == key) {
        return None;
    }
    let kept = pairs().filter(|(redacted, key)| redacted == key);
    let mut used: BTreeSet<String> = kept.map(|(_, key)| key.to_owned()).collect();
    let mut numbers: BTreeMap<&str, u64> = BTreeMap::new();
    let distinct = pairs().map(|(redacted, key)| {
        if redacted == key {
            return key.to_owned();
        }
        let number = numbers.entry(redacted).or_insert(0);
        loop {
            *number += 1;
            let candidate = numbered(redacted, *number);
            if !is_taken(&candidate) && used.insert(candidate.clone()) {
                return candidate;
            }
        }
    });
    Some(distinct.collect())
}

/// Returns the key with its number, from the second on.
fn numbered(key: &str, number: u64) -> String {
    match number {
        1 => key.to_owned(),
        _ => format!("{key}-{number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    /// Hides all that stands behind `secret`.
    struct Hiding;

    impl Redactor for Hiding {
        fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
            match text.split_once("secret") {
                Some((start, _)) => Cow::Owned(format!("{start}[x]")),
                None => Cow::Borrowed(text),
            }
        }
    }

    fn check(keys: &[&str], expected: Option<&[&str]>) {
        let redacted = redact_keys(&Hiding, keys.iter().copied(), |key| key == "taken[x]");
        let expected = expected.map(|keys| keys.iter().map(|key| (*key).to_owned()).collect());
        assert_eq!(redacted, expected, "{keys:?}");
    }

    #[test]
    fn distinct_keys_stay_distinct_whatever_they_become() {
        check(&[], None);
        check(&["a", "b"], None);
        check(&["a", "secret1"], Some(&["a", "[x]"]));
        check(
            &["secret1", "secret2", "a-secret"],
            Some(&["[x]", "[x]-2", "a-[x]"]),
        );
        check(&["secret1", "[x]"], Some(&["[x]-2", "[x]"]));
        check(
            &["secret1", "secret2", "[x]-2"],
            Some(&["[x]", "[x]-3", "[x]-2"]),
        );
        check(&["takensecret"], Some(&["taken[x]-2"]));
    }

    #[test]
    fn a_hundred_thousand_keys_that_become_one_cost_no_more_than_their_number() {
        struct Counting(std::sync::atomic::AtomicU64);
        impl Redactor for Counting {
            fn redact<'t>(&self, _: &'t str) -> Cow<'t, str> {
                self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                Cow::Borrowed("")
            }
        }
        let keys: Vec<String> = (0..100_000).map(|n| n.to_string()).collect();
        let counting = Counting(0.into());
        let tried = std::cell::Cell::new(0_u64);
        let redacted = redact_keys(&counting, keys.iter().map(|key| &**key), |_| {
            tried.set(tried.get() + 1);
            false
        });
        assert_eq!(redacted.expect("changed").len(), 100_000);
        assert_eq!(counting.0.into_inner(), 100_000);
        assert_eq!(tried.get(), 100_000, "no number is tried again");
    }
}
