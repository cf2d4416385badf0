//! Each file in `test_cases/` is a story: what happens when, and what has to be due then.

use super::*;
use serde::Deserialize;
use std::path::Path;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Story {
    shows: String,
    interval_ms: u64,
    poll_ms: u64,
    rest_poll_ms: u64,
    steps: Vec<Step>,
}

/// One moment; of what it holds, `due` is checked last, and taken.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    at_ms: u64,
    #[serde(default)]
    find: Vec<String>,
    #[serde(default)]
    lose: Vec<String>,
    #[serde(default)]
    hint: Vec<String>,
    #[serde(default)]
    hint_all: bool,
    #[serde(default)]
    hint_root: bool,
    #[serde(default)]
    hasten: bool,
    #[serde(default)]
    looked: BTreeMap<String, String>,
    /// What each of these looks took.
    #[serde(default)]
    cost_ms: u64,
    /// How long the reports of the run that was looked at had not been current.
    lag_ms: Option<u64>,
    /// The runs that are due, in their order.
    due: Option<Vec<String>>,
    /// How many of them are taken; all where it is left out.
    max: Option<usize>,
    /// `listing`, `glance` or `nothing`.
    root: Option<String>,
    settled: Option<bool>,
    next_ms: Option<u64>,
}

fn id(text: &str) -> RunId {
    RunId::new(text).expect("an id")
}

fn outcome(word: &str) -> Outcome {
    let (word, time) = word.split_once(' ').unwrap_or((word, ""));
    let time = time.parse().ok().map(Duration::from_millis);
    match word {
        "quiet" => Outcome::Quiet,
        "updated" => Outcome::Updated { refold: time },
        "partly" => Outcome::Partly {
            until: time.expect("milliseconds"),
        },
        "resting" => Outcome::Resting,
        "behind" => Outcome::Behind,
        "stale" => Outcome::Stale,
        "locked" => Outcome::Locked,
        "failed" => Outcome::Failed,
        other => panic!("no outcome `{other}`"),
    }
}

fn tell(story: &Story) {
    let mut schedule = Schedule::new(Cadence {
        interval: Duration::from_millis(story.interval_ms),
        poll: Duration::from_millis(story.poll_ms),
        rest_poll: Duration::from_millis(story.rest_poll_ms),
    });
    for step in &story.steps {
        let now = Duration::from_millis(step.at_ms);
        let context = format!("{}: at {} ms", story.shows, step.at_ms);
        step.find
            .iter()
            .for_each(|run| schedule.find(&id(run), now));
        step.lose.iter().for_each(|run| schedule.lose(&id(run)));
        let mut lag = None;
        for (run, word) in &step.looked {
            let cost = Duration::from_millis(step.cost_ms);
            lag = schedule.looked(&id(run), now, outcome(word), cost);
        }
        if let Some(expected) = step.lag_ms {
            assert_eq!(lag, Some(Duration::from_millis(expected)), "{context}");
        }
        step.hint
            .iter()
            .for_each(|run| schedule.hint(&id(run), now));
        if step.hint_all {
            schedule.hint_all(now);
        }
        if step.hint_root {
            schedule.hint_root(now);
        }
        if step.hasten {
            schedule.hasten(now);
        }
        if let Some(expected) = &step.root {
            let look = match schedule.take_root(now) {
                Some(RootLook::Listing) => "listing",
                Some(RootLook::Glance) => "glance",
                None => "nothing",
            };
            assert_eq!(look, expected, "{context}");
        }
        if let Some(expected) = step.next_ms {
            assert_eq!(
                schedule.next_due(),
                Duration::from_millis(expected),
                "{context}"
            );
        }
        if let Some(expected) = &step.due {
            let due = schedule.take(now, step.max.unwrap_or(usize::MAX));
            let due: Vec<&str> = due.iter().map(RunId::as_str).collect();
            assert_eq!(due, *expected, "{context}");
        }
        if let Some(expected) = step.settled {
            assert_eq!(schedule.is_settled(), expected, "{context}");
        }
    }
}

#[test]
fn each_story_of_the_test_cases_comes_true() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("test_cases");
    let files = std::fs::read_dir(folder).expect("there are test cases");
    let mut told = 0;
    for file in files {
        let path = file.expect("listed").path();
        let text = std::fs::read_to_string(&path).expect("readable");
        let story: Story = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        tell(&story);
        told += 1;
    }
    assert!(told >= 12, "only {told} test cases were found");
}

#[test]
fn many_resting_runs_are_looked_at_evenly_and_at_a_bounded_pace() {
    let mut schedule = Schedule::new(Cadence::default());
    let count = 40_000;
    for number in 0..count {
        schedule.find(&id(&format!("run_{number}")), Duration::ZERO);
    }
    for run in schedule.take(Duration::ZERO, usize::MAX) {
        schedule.looked(&run, Duration::ZERO, Outcome::Resting, Duration::ZERO);
    }
    let (mut looks, mut most) = (0, 0);
    let seconds = 240;
    for quarter in 1..seconds * 4 {
        let now = Duration::from_millis(quarter * 250);
        let due = schedule.take(now, usize::MAX);
        for run in &due {
            schedule.looked(run, now, Outcome::Resting, Duration::ZERO);
        }
        looks += due.len();
        most = due.len().max(most);
    }
    assert!(looks >= count, "each is looked at: {looks}");
    assert!(
        looks <= seconds as usize * 375,
        "at a bounded pace: {looks}"
    );
    assert!(most <= 500, "evenly: {most}");
}

#[test]
fn a_run_whose_look_took_long_waits_two_seconds_for_that_and_no_longer() {
    let mut schedule = Schedule::new(Cadence::default());
    let (slow, cheap) = (id("slow"), id("cheap"));
    let mut now = Duration::ZERO;
    for run in [&slow, &cheap] {
        schedule.find(run, now);
    }
    schedule.take(now, 2);
    schedule.looked(&slow, now, Outcome::Behind, Duration::from_secs(10));
    schedule.looked(&cheap, now, Outcome::Behind, Duration::from_micros(10));
    // One look at a time, and there is always one to be made at the cheap run.
    let mut taken = schedule.take(now, 1);
    while !taken.contains(&slow) {
        assert!(taken.contains(&cheap));
        assert!(now < Duration::from_millis(2100), "the other starves");
        now += Duration::from_millis(5);
        schedule.looked(&cheap, now, Outcome::Behind, Duration::from_micros(10));
        taken = schedule.take(now, 1);
    }
    assert!(now > Duration::from_millis(1900), "{now:?}");
}
