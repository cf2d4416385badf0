//! Where two JSON texts differ.

use retally_log::Json;

/// Returns a JSON pointer to the first key, sorted by name, at which two texts differ: empty where
/// one of them is no JSON, or where they differ in nothing but white space and order.
pub(crate) fn first_difference(standing: &[u8], expected: &[u8]) -> String {
    let parse = |bytes| Json::parse(std::str::from_utf8(bytes).ok()?).ok();
    let mut pointer = String::new();
    if let (Some(standing), Some(expected)) = (parse(standing), parse(expected)) {
        descend(&mut pointer, &standing, &expected);
    }
    pointer
}

/// Adds to `pointer` the way to the first difference; both nest at most as deep as JSON is read.
fn descend(pointer: &mut String, left: &Json, right: &Json) {
    match (left, right) {
        (Json::Object(left), Json::Object(right)) => {
            let keys = left.keys().chain(right.keys());
            let differing = keys.filter(|key| left.get(*key) != right.get(*key)).min();
            let Some(key) = differing else { return };
            pointer.push('/');
            pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            if let (Some(left), Some(right)) = (left.get(key), right.get(key)) {
                descend(pointer, left, right);
            }
        }
        (Json::Array(left), Json::Array(right)) if left != right => {
            let pairs = left.iter().zip(right);
            let same = pairs.take_while(|(left, right)| left == right).count();
            pointer.push_str(&format!("/{same}"));
            if let (Some(left), Some(right)) = (left.get(same), right.get(same)) {
                descend(pointer, left, right);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_differing_key_is_named() {
        for (left, right, expected) in [
            (r#"{"a":1,"b":2}"#, r#"{"a":1,"b":3}"#, "/b"),
            (r#"{"a":1,"c":2}"#, r#"{"a":1,"b":3}"#, "/b"),
            (
                r#"{"a":{"x/y":[1,2]}}"#,
                r#"{"a":{"x/y":[1,3]}}"#,
                "/a/x~1y/1",
            ),
            (r#"{"a":[1]}"#, r#"{"a":[1,{"b":2}]}"#, "/a/1"),
            (r#"{"a":1.0}"#, r#"{"a":1.00}"#, "/a"),
            (r#"{"a":1}"#, r#"{ "a": 1 }"#, ""),
            (r#"{"a":1"#, r#"{"a":1}"#, ""),
        ] {
            assert_eq!(
                first_difference(left.as_bytes(), right.as_bytes()),
                expected,
                "{left} {right}"
            );
        }
    }
}
