use crate::test_helpers::{
    Line, additive_event, any_event, apply, check, fold, log, new_state, ordered_event, reports,
};
use proptest::prelude::*;
use retally_log::IssueId;

/// Applies a log in the order in which it is given and returns whether that left it stale.
fn is_stale(lines: &[&str]) -> bool {
    fold(&log(lines)).is_stale()
}

#[test]
fn a_late_event_whose_order_matters_makes_the_state_stale() {
    let late = r#"5 b "agent.started","issue":1,"agent":"a""#;
    for (earlier, expected) in [
        (r#"9 "agent.started","issue":1,"agent":"x""#, true),
        (r#"9 "issue.started","issue":1"#, true),
        // Of the same time, the segment decides.
        (r#"5 "issue.started","issue":1"#, false),
        (r#"5 c "issue.started","issue":1"#, true),
        // Another issue, and events that only add.
        (r#"9 "issue.started","issue":2"#, false),
        (r#"9 "note.added","issue":1,"text":"t""#, false),
        (r#"9 "run.finished","status":"failed""#, false),
    ] {
        assert_eq!(is_stale(&[earlier, late]), expected, "{earlier}");
    }
    let late_note = r#"5 b "note.added","issue":1,"text":"t""#;
    assert!(!is_stale(&[r#"9 "issue.started","issue":1"#, late_note]));
}

#[test]
fn a_late_pipeline_without_an_issue_makes_the_state_stale() {
    let record =
        |at: &str| format!(r#"{at} "pipeline.recorded","pipeline_id":1,"status":"failed""#);
    assert!(is_stale(&[&record("9"), &record("5 b")]));
    assert!(!is_stale(&[&record("5"), &record("9 b")]));
}

#[test]
fn a_stale_state_applies_nothing_more() {
    let lines = log(&[
        r#"9 "issue.started","issue":1"#,
        r#"5 b "issue.started","issue":1"#,
        r#"10 "note.added","issue":2,"text":"t""#,
    ]);
    let state = fold(&lines);
    assert!(state.is_stale());
    assert_eq!(state.run_report().total_issues, 1);
}

#[test]
fn of_events_with_one_key_the_first_counts() {
    check(
        &[
            r#"1 "note.added","issue":1,"text":"first","key":"k""#,
            r#"2 "note.added","issue":1,"text":"repeated","key":"k""#,
            r#"3 "note.added","issue":2,"text":"of another issue","key":"k""#,
            r#"4 "run.scored","success":true,"key":"k""#,
            r#"5 "run.scored","success":true,"key":"k""#,
            r#"99 "issue.finished","issue":1,"status":"failed","key":"k","extra":1"#,
        ],
        &[
            (
                "1/notes",
                r#"[{"text":"first","agent":null,"recorded_at":"2024-12-03T12:00:01.000000Z"}]"#,
            ),
            ("1/status", r#""in_progress""#),
            ("2/notes/0/text", r#""of another issue""#),
            ("final/total_successes", "1"),
            // Not even as last event.
            ("final/duration_seconds", "3.0"),
            ("1/duration_seconds", "0.0"),
            ("metadata/unknown_fields", "0"),
        ],
    );
}

#[test]
fn a_late_event_that_should_have_used_up_its_key_makes_the_state_stale() {
    let first = r#"9 "note.added","issue":1,"text":"a","key":"k""#;
    assert!(is_stale(&[
        first,
        r#"5 b "note.added","issue":1,"text":"b","key":"k""#
    ]));
    assert!(!is_stale(&[
        first,
        r#"5 b "note.added","issue":2,"text":"b","key":"k""#
    ]));
    assert!(!is_stale(&[
        first,
        r#"9 b "note.added","issue":1,"text":"b","key":"k""#
    ]));
    // A repeated event is no late one, whatever its type.
    assert!(!is_stale(&[
        r#"1 "note.added","issue":1,"text":"b","key":"k""#,
        r#"9 "issue.started","issue":1"#,
        r#"5 b "issue.started","issue":1,"key":"k""#,
    ]));
}

#[test]
fn an_unknown_type_belongs_to_the_run_and_uses_up_its_key_in_the_issue_it_names() {
    check(
        &[
            r#"1 "note.added","issue":2,"text":"t""#,
            r#"2 "deploy.finished","issue":1,"key":"k","agent":"a""#,
            r#"3 "deploy.finished","issue":1,"key":"k""#,
            r#"9 "deploy.finished","issue":1"#,
            r#"10 "note.added","issue":1,"text":"t","key":"k""#,
        ],
        &[
            ("final/unknown_types", r#"{"deploy.finished":2}"#),
            ("final/issues_processed", "[2]"),
            ("final/duration_seconds", "8.0"),
            ("metadata/unknown_fields", "0"),
        ],
    );
}

#[test]
fn fields_that_a_known_type_does_not_have_are_counted() {
    check(
        &[r#"1 "note.added","text":"t","mood":"good","depth":{"a":1}"#],
        &[("metadata/unknown_fields", "2")],
    );
}

#[test]
fn a_segments_description_is_no_event() {
    let state = fold(&log(&[r#"1 "segment.opened","format":1"#]));
    assert!(!state.has_events());
}

#[test]
fn changed_issues_are_those_touched_since_they_were_taken() {
    let lines = log(&[
        r#"1 "issue.started","issue":1"#,
        r#"2 "issue.started","issue":2"#,
        r#"3 "issue.finished","issue":2,"status":"failed""#,
        r#"4 "note.added","issue":3,"text":"t""#,
        r#"5 "run.finished","status":"failed""#,
    ]);
    let mut state = fold(&lines[..3]);
    let ids = |texts: &[&'static str]| texts.iter().map(|text| IssueId::from(*text)).collect();
    assert_eq!(state.take_changed(), ids(&["1", "2"]));
    assert_eq!(state.take_changed(), ids(&[]));
    apply(&mut state, &lines[3]);
    assert_eq!(state.take_changed(), ids(&["3"]));
    // The end of the run abandons what is open.
    apply(&mut state, &lines[4]);
    assert_eq!(state.take_changed(), ids(&["1", "3"]));
}

/// A log in log order: each event at some second, in one of three segments.
fn any_log(event: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<Line>> {
    let segment = prop_oneof![Just("a"), Just("b"), Just("none")];
    let line = (0..50_u32, segment, event);
    let line = line.prop_map(|(at, segment, event)| format!("{at} {segment} {event}"));
    proptest::collection::vec(line, 0..40).prop_map(|lines| {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let mut log = log(&lines);
        log.sort_by(|left, right| left.position.cmp(&right.position));
        log
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Property: events that only add, and those of the run, give the same reports in any order.
    #[test]
    fn events_that_only_add_apply_in_any_order(
        (log, shuffled) in any_log(additive_event())
            .prop_flat_map(|log| (Just(log.clone()), Just(log).prop_shuffle()))
    ) {
        let state = fold(&shuffled);
        prop_assert!(!state.is_stale());
        prop_assert_eq!(reports(&state), reports(&fold(&log)));
    }

    /// Property: in any order, a log gives the reports of log order or a stale state.
    #[test]
    fn another_order_gives_the_same_reports_or_a_stale_state(
        (log, shuffled) in any_log(any_event())
            .prop_flat_map(|log| (Just(log.clone()), Just(log).prop_shuffle()))
    ) {
        let state = fold(&shuffled);
        if !state.is_stale() {
            prop_assert_eq!(reports(&state), reports(&fold(&log)));
        }
    }

    /// Property: asking for reports between events changes no later report.
    #[test]
    fn a_log_in_pieces_gives_the_same_reports(log in any_log(any_event()), cut in 0..40_usize) {
        let mut state = new_state();
        for (number, line) in log.iter().enumerate() {
            if number == cut {
                reports(&state);
                state.take_changed();
            }
            apply(&mut state, line);
        }
        prop_assert!(!state.is_stale());
        prop_assert_eq!(reports(&state), reports(&fold(&log)));
    }

    /// Property: what the run totals is the sum over its issues, where every event names one.
    #[test]
    fn totals_are_the_sums_of_the_issues(log in any_log(ordered_event())) {
        let state = fold(&log);
        let run = state.run_report();
        let issues: Vec<_> = state.issue_ids().filter_map(|id| state.issue_report(id)).collect();
        let sum = |count: fn(&crate::IssueReport) -> u64| issues.iter().map(count).sum::<u64>();
        prop_assert_eq!(run.total_issues, issues.len() as u64);
        prop_assert_eq!(run.issues_processed.len(), issues.len());
        prop_assert_eq!(run.pipeline_attempts, sum(|issue| issue.pipeline_attempts));
        prop_assert_eq!(run.succeeded_pipelines, sum(|issue| issue.succeeded_pipelines));
        prop_assert_eq!(run.failed_pipelines, sum(|issue| issue.failed_pipelines));
        prop_assert_eq!(run.debugging_cycles, sum(|issue| issue.debugging_cycles));
        prop_assert_eq!(run.resolved_cycles, sum(|issue| issue.resolved_cycles));
        prop_assert_eq!(run.anomalies.len() as u64, sum(|issue| issue.anomalies.len() as u64));
        prop_assert_eq!(state.metadata().anomalies, run.anomalies.len() as u64);
        let retries: u64 = run.retries_by_agent.values().sum();
        prop_assert_eq!(retries, sum(|issue| issue.total_agent_retries));
    }
}
