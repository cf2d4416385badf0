use crate::test_helpers::{alerts, check};

const START: &str = r#"0 "run.started","project_id":"p","llm":{"model":"m"}"#;
const END: &str = r#"90000 "run.finished","status":"completed""#;

#[test]
fn a_run_without_an_end_that_says_nothing_is_stalled() {
    let note = r#"10 "note.added","text":"t""#;
    let stalled = "3610 run_stalled: the run has no end and said nothing for 3600 s";
    check("", &[START, note], 3610, &[]);
    check("", &[START, note], 3611, &[stalled]);
    check("", &[START, note, END], 1_000_000, &[stalled]);
    check(
        "[run_stalled]\nafter_seconds=100000",
        &[START, note, END],
        1_000_000,
        &[],
    );
    check("[run_stalled]\nenabled=false", &[START, note], 9999, &[]);
    let forget = "[run_stalled]\nforget_after_hours=2";
    check(forget, &[START, note], 7210, &[stalled]);
    check(forget, &[START, note], 7211, &[]);
}

#[test]
fn a_run_that_tells_of_pipelines_alone_never_stalls() {
    let pipeline =
        |at: u32| format!(r#"{at} "pipeline.recorded","pipeline_id":{at},"status":"success""#);
    let [first, second] = [pipeline(10), pipeline(9000)];
    check("", &[START, &first, &second], 90_000, &[]);
    let stalled = "23600 run_stalled: the run has no end and said nothing for 3600 s";
    let note = r#"20000 "note.added","text":"t""#;
    check("", &[START, &first, &second, note], 90_000, &[stalled]);
}

#[test]
fn a_silence_has_the_same_key_while_it_lasts_and_afterwards() {
    let lasts = alerts("", &[START], 4000);
    let over = alerts("", &[START, r#"5000 "note.added","text":"t""#], 5001);
    assert_eq!(lasts, over);
    assert_eq!(lasts[0].key, "run_stalled:r:a:0");
    assert_eq!(lasts[0].trigger.type_name, Some("run.started"));
}

#[test]
fn an_agent_that_began_and_says_nothing_is_told() {
    let start = r#"10 "agent.started","issue":7,"agent":"coding""#;
    let silent = "1810 agent_silent: agent `coding` began on issue `7` and said nothing for 1800 s";
    let quiet_run = "[run_stalled]\nenabled=false";
    check(quiet_run, &[START, start], 1810, &[]);
    check(quiet_run, &[START, start], 1811, &[silent]);
    let finished = r#"20 "agent.finished","issue":7,"agent":"coding","success":true"#;
    check(quiet_run, &[START, start, finished], 9000, &[]);
    let of_other = r#"1000 "tool.called","issue":7,"agent":"testing","tool":"t""#;
    check(quiet_run, &[START, start, of_other], 1811, &[silent]);
    let of_issue = r#"1000 "tool.called","issue":7,"tool":"t""#;
    check(quiet_run, &[START, start, of_issue], 1811, &[]);
    let late_end = r#"2000 "issue.finished","issue":7,"status":"failed""#;
    check(quiet_run, &[START, start, late_end], 9000, &[silent]);
    let end_of_run = r#"1000 "run.finished","status":"failed""#;
    check(quiet_run, &[START, start, end_of_run], 9000, &[]);
}

#[test]
fn many_retries_in_short_time_are_a_storm_and_slow_ones_are_none() {
    let rules = "[retry_storm]\nretries=3\nwindow_seconds=60";
    let retry = |at: u32| format!(r#"{at} "debug.attempted","issue":7,"agent":"testing""#);
    let storm = |seconds: [u32; 6]| {
        let events: Vec<String> = seconds.into_iter().map(retry).collect();
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        alerts(rules, &events, 500)
    };
    assert_eq!(storm([1, 40, 80, 120, 160, 200]), []);
    let told = storm([1, 30, 61, 62, 63, 64]);
    assert_eq!(told.len(), 2);
    assert_eq!(told[0].text, "3 retries on issue `7` within 60 s");
    assert_eq!(told[1].key, "retry_storm:r:a:5");
    let restart = |at: u32| format!(r#"{at} "agent.started","issue":7,"agent":"coding""#);
    let events: Vec<String> = (1..=4).map(restart).collect();
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    check(
        rules,
        &events,
        5,
        &["4 retry_storm: 3 retries on issue `7` within 2 s"],
    );
}

#[test]
fn a_budget_that_is_exceeded_is_told_once() {
    let rules = "[budget]\nrun_usd=2\nissue_usd=1.5";
    let call = r#"1 "llm.called","issue":7,"model":"m","cost_usd":0.75"#;
    let issue = "1 budget: issue `7` cost 2.25 USD so far, and may cost 1.5 USD";
    let run = "1 budget: the run cost 2.25 USD so far, and may cost 2 USD";
    check(rules, &[call; 2], 9, &[]);
    check(rules, &[call; 6], 9, &[issue, run]);
    let keyed = r#"1 "llm.called","issue":7,"model":"m","cost_usd":0.75,"key":"k""#;
    check(rules, &[keyed; 6], 9, &[]);
    check("", &[call; 6], 9, &[]);
}

#[test]
fn the_first_damage_of_a_file_is_told() {
    let told = alerts("", &[START, "nonsense", "{", START], 9);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(told[0].rule.as_str(), "damage");
    assert_eq!(told[0].key, "damage:r:a.jsonl");
    assert_eq!(told[0].trigger.offset, Some(95));
    check(
        "[damage]\nenabled=false",
        &[START, "nonsense", "{", START],
        9,
        &[],
    );
}

#[test]
fn a_pipeline_that_takes_far_longer_than_usual_is_told() {
    let pipeline = |id: u32, seconds: u32, status: &str| {
        format!(
            r#"{id} "pipeline.recorded","issue":7,"pipeline_id":{id},"name":"ci","status":"{status}","duration_ms":{seconds}000"#
        )
    };
    let mut events: Vec<String> = (0..20).map(|id| pipeline(id, 60, "success")).collect();
    events.push(pipeline(20, 600, "canceled"));
    events.push(pipeline(21, 600, "failed"));
    events.push(pipeline(21, 600, "failed"));
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    check(
        "",
        &events,
        30,
        &[
            "21 pipeline_duration: pipeline `ci` took 600 s, usually 60 s (robust z 31.1, over the last 20)",
        ],
    );
}

#[test]
fn an_issue_that_costs_far_more_than_usual_is_told() {
    let issue = |id: u32, usd: &str| {
        [
            format!(r#"{id} "llm.called","issue":{id},"model":"m","cost_usd":{usd}"#),
            format!(r#"{id} "issue.finished","issue":{id},"status":"completed""#),
        ]
    };
    let mut events: Vec<String> = (0..20).flat_map(|id| issue(id, "0.5")).collect();
    events.extend(issue(20, "5"));
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    check(
        "",
        &events,
        30,
        &[
            "20 issue_cost: issue `20` cost 5 USD, usually 0.5 USD (robust z 31.1, over the last 20)",
        ],
    );
}

#[test]
fn fewer_issues_solved_than_before_are_told() {
    let end = |id: u32, status: &str| {
        format!(r#"{id} "issue.finished","issue":{id},"status":"{status}""#)
    };
    let mut events = vec![START.to_owned()];
    events.extend((0..40).map(|id| end(id, "completed")));
    events.extend((40..50).map(|id| end(id, "failed")));
    // An issue that ends again changes nothing.
    events.extend((0..40).map(|id| end(id + 1, "failed")));
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let told = alerts("", &events, 60);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(
        told[0].text,
        "fewer issues of project `p` are solved: 0 of the last 3, 40 of the 40 before"
    );
    assert_eq!(told[0].trigger.ts, told[0].ts);
    assert_eq!(told[0].key, "success_rate:r:a:43");
}

#[test]
fn issues_without_an_end_fail_when_their_run_ends() {
    let mut events = vec![START.to_owned()];
    for id in 0..30 {
        events.push(format!(
            r#"{id} "issue.finished","issue":{id},"status":"completed""#
        ));
    }
    for id in 30..40 {
        events.push(format!(r#"{id} "issue.started","issue":{id}"#));
    }
    events.push(r#"50 "run.finished","status":"failed""#.to_owned());
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let told = alerts("", &events, 60);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(told[0].trigger.type_name, Some("run.finished"));
}
