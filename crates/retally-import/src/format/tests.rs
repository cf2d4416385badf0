use super::*;
use crate::test_helpers::{parse, sample_days};
use proptest::prelude::*;
use retally_log::RunId;
use std::path::Path;

#[test]
fn formats_are_sorted_and_found_by_name() {
    assert!(Format::ALL.is_sorted_by_key(|format| format.name));
    for format in Format::ALL {
        assert_eq!(
            Format::find(format.name).map(|found| found.name),
            Some(format.name)
        );
    }
    assert!(Format::find("GitHub-Actions").is_none());
}

#[test]
fn the_run_that_is_asked_for_takes_the_place_of_the_formats_own() {
    let run = RunId::new("mine").expect("an id");
    let check = |format: &str, bytes: &[u8], expected: &str| {
        let source = Source {
            path: Path::new("dump.json"),
            bytes,
            run: Some(&run),
        };
        let actual = match Format::find(format).expect("a format").parse(&source) {
            Ok(parsed) => {
                let ids: Vec<_> = parsed.runs.iter().map(|run| run.id.as_str()).collect();
                ids.join(" ")
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(actual, expected);
    };
    check("jsonl", b"", "");
    check(
        "jsonl",
        br#"{"ts":"2026-08-04T00:00:00Z","type":"x"}"#,
        "mine",
    );
    let run_of = |repo: &str| {
        format!(
            r#"{{"id":1,"conclusion":"success","updated_at":"2026-08-04T00:00:00Z","repository":{{"full_name":"{repo}"}}}}"#
        )
    };
    let one = format!(r#"{{"runs":[{},{}]}}"#, run_of("a"), run_of("a"));
    check("github-actions", one.as_bytes(), "mine");
    let two = format!(r#"{{"runs":[{},{}]}}"#, run_of("a"), run_of("b"));
    check(
        "github-actions",
        two.as_bytes(),
        "`dump.json` holds 2 runs, which cannot become one \
         (leave out the run, and each gets its own)",
    );
}

#[test]
fn every_event_has_a_time_and_a_key() {
    for (_, bytes) in sample_days() {
        let parsed = parse("github-actions", &bytes).expect("the fixture is of the format");
        for draft in parsed.runs.iter().flat_map(|run| &run.drafts) {
            assert!(draft.ts.is_some() && draft.key.is_some(), "{draft:?}");
        }
    }
}

/// JSON as a program may write that knows nothing of us, with the names that formats look for.
fn any_json() -> impl Strategy<Value = String> {
    let names = [
        "repo",
        "runs",
        "workflow_runs",
        "id",
        "name",
        "status",
        "conclusion",
        "run_attempt",
        "updated_at",
        "jobs",
        "started_at",
        "repository",
        "full_name",
        "ts",
        "type",
        "key",
        "issue",
        "x",
    ];
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("NaN".to_owned()),
        Just("1e999".to_owned()),
        Just("\"2026-08-04T20:02:37Z\"".to_owned()),
        Just("\"completed\"".to_owned()),
        any::<bool>().prop_map(|flag| flag.to_string()),
        any::<i128>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| number.to_string()),
        ".{0,8}".prop_map(|text| format!("{text:?}")),
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        let member = (prop::sample::select(names.to_vec()), inner.clone());
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec(member, 0..6).prop_map(|members| {
                let members: Vec<_> = members
                    .iter()
                    .map(|(k, v)| format!("\"{k}\":{v}"))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Property: whatever a file holds, each format answers with runs and problems, or an error.
    #[test]
    fn no_file_makes_a_format_panic(
        text in prop_oneof![any_json(), any_json().prop_map(|runs| format!("{{\"runs\":[{runs}]}}"))],
        cut in any::<prop::sample::Index>(),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let cut = &text.as_bytes()[..cut.index(text.len() + 1)];
        for format in Format::ALL {
            for input in [text.as_bytes(), cut, &bytes] {
                match parse(format.name, input) {
                    Ok(parsed) => prop_assert!(
                        parsed.problems.iter().all(|problem| problem.offset < input.len() as u64)
                    ),
                    Err(error) => prop_assert!(error.to_string().contains("dump.json")),
                }
            }
        }
    }
}
