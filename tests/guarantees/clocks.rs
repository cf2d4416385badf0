//! What becomes of a run whose clock jumps.

use super::folded_run::{FoldedRun, reports};
use super::random::Random;
use super::{proved, quick_or_soak};
use retally_log::{
    AgentFinished, AgentStarted, Content, Draft, Entry, Host, IssueFinished, IssueStarted,
    IssueStatus, LogReader, ManualClock, RunStatus, SegmentId, Timestamp, Writer, WriterOptions,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const MICROS_A_YEAR: i64 = 31_557_600_000_000;

fn jump(clock: &ManualClock, random: &mut Random) {
    let at = |text: &str| text.parse::<Timestamp>().expect("a time");
    let now = clock_now(clock);
    let moved = |micros: i64| now.saturating_add_micros(micros);
    let wall = match random.below(14) {
        0 => moved(10 * MICROS_A_YEAR),
        1 => moved(-10 * MICROS_A_YEAR),
        2 => at("2016-12-31T23:59:60Z"),
        3 => at("2016-12-31T23:59:59.999999Z"),
        4 => at("0001-01-01T00:00:00Z"),
        5 => at("9999-12-31T23:59:59.999999Z"),
        6 => Timestamp::from_micros_saturating(i64::MAX),
        7 => Timestamp::from_micros_saturating(i64::MIN),
        8 => moved(-3_600_000_000),
        9 => moved(3_600_000_001),
        10 => Timestamp::from_micros_saturating(random.next().cast_signed()),
        _ => {
            let time = Duration::from_micros(random.next() >> random.below(64));
            return clock.advance(time);
        }
    };
    clock.jump_to(wall);
}

fn clock_now(clock: &ManualClock) -> Timestamp {
    retally_log::Clock::now(clock)
}

fn draft(random: &mut Random) -> Draft<'static> {
    let issue = (1 + random.below(3)).into();
    match random.below(5) {
        0 => {
            let title = None;
            IssueStarted { issue, title }.into()
        }
        1 => {
            let status = IssueStatus::Completed;
            IssueFinished { issue, status }.into()
        }
        2 => AgentFinished {
            issue,
            agent: "coding".into(),
            span: None,
            success: true,
            error: None,
        }
        .into(),
        _ => AgentStarted {
            issue,
            agent: "coding".into(),
            span: None,
        }
        .into(),
    }
}

/// Checks that times do not go back in any segment, and returns how many events there are.
fn check_stamps(run: &FoldedRun) -> u64 {
    let mut log = LogReader::open(run.run.events_path()).expect("readable");
    let mut last: BTreeMap<SegmentId, Timestamp> = BTreeMap::new();
    let mut events = 0;
    let mut visit = |entry: Entry<'_>| {
        let Entry::Stretch(place, content) = entry else {
            panic!("nobody writes any more");
        };
        match content {
            Content::Opened(_) => {}
            Content::Event(event) => {
                let ts = event.envelope.ts;
                let before = last.insert(place.segment.clone(), ts);
                assert!(before <= Some(ts), "{before:?}, then {ts}");
                events += 1;
            }
            other => panic!("{other:?}"),
        }
    };
    while log.next(&mut visit).expect("readable").is_some() {}
    events
}

#[test]
#[ignore = "10,000 sequences of jumps: `just guarantees` runs it"]
fn a_clock_that_jumps_turns_no_stamp_back_and_makes_no_number_negative() {
    const THREADS: u64 = 2;
    let sequences = quick_or_soak(10_000, 100_000);
    let events: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|seed| {
                scope.spawn(move || check_jumps(&mut Random::new(seed), sequences / THREADS))
            })
            .collect();
        threads
            .into_iter()
            .map(|it| it.join().expect("it holds"))
            .sum()
    });
    proved(
        "A6",
        &format!("{sequences} sequences of jumps, {events} events"),
    );
}

/// Checks so many sequences of jumps, and returns how many events there were.
fn check_jumps(random: &mut Random, sequences: u64) -> u64 {
    let mut events = 0;
    for sequence in 0..sequences {
        let run = FoldedRun::new();
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros_saturating(
            1_733_236_222_000_000,
        )));
        let host = Host {
            name: "host".to_owned(),
            boot: Some("boot".to_owned()),
            pid: 1,
        };
        let start = || {
            let options = WriterOptions {
                clock: clock.clone(),
                host: Some(host.clone()),
                ..WriterOptions::default()
            };
            Writer::new(run.run.clone(), options)
        };
        let (mut writer, mut live) = (start(), run.fold());
        let appends = 2 + random.below(5);
        for _ in 0..appends {
            jump(&clock, random);
            if random.below(5) == 0 {
                writer = start();
            }
            writer.append(draft(random)).expect("appended");
            if random.below(4) == 0 {
                live.catch_up().expect("readable");
            }
        }
        if random.below(2) == 0 {
            writer.finish(RunStatus::Completed).expect("appended");
        }
        drop(writer);
        live.catch_up().expect("readable");
        let rebuilt = run.reports();
        assert_eq!(reports(live.state()), rebuilt, "sequence {sequence}");
        let negative = rebuilt.lines().find(|line| line.contains(": -"));
        assert_eq!(negative, None, "sequence {sequence}");
        events += check_stamps(&run);
    }
    events
}
