//! What a root of many runs costs, and what happens where the system listens to few of them.

use super::*;

/// A root of runs that ended, all up to date and at rest.
fn at_rest(world: &World, runs: u32) -> Watcher {
    for number in 0..runs {
        let end = line(1, r#""run.finished","status":"completed""#);
        world.append(&format!("run_{number}"), "a", &end);
    }
    // They are old when they are first looked at.
    world.clock.advance(Duration::from_secs(86_400));
    let mut watcher = world.watcher();
    watcher.around.checkpoints = None;
    // The second look finds that nothing is new.
    for round in 1..=2 {
        while watcher.status.looks < round * u64::from(runs) {
            turn(&mut watcher);
        }
        world.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(
        (watcher.status().live, watcher.status().updates),
        (0, runs.into())
    );
    watcher
}

/// Returns how many runs were looked at until a run showed its change, and after how long.
fn looks_until_shown(world: &World, watcher: &mut Watcher, run: &str) -> (u64, Duration) {
    let (looks, start) = (watcher.status.looks, world.clock.monotonic());
    loop {
        let said = turn(watcher);
        if said.contains(&format!("updated {run}")) {
            let waited = world.clock.monotonic() - start;
            return (watcher.status.looks - looks, waited);
        }
        let due = watcher.schedule.next_due();
        world
            .clock
            .advance(due.saturating_sub(world.clock.monotonic()));
    }
}

/// Changes runs and adds some, and returns what was counted.
fn check(runs: u32) -> String {
    let world = World::silent();
    let mut watcher = at_rest(&world, runs);
    let changed = format!("run_{}", runs / 3);
    world.append(&changed, "b", &note(2, 1));
    watcher.take_in(hint(&changed));
    let (notified, _) = looks_until_shown(&world, &mut watcher, &changed);
    assert_eq!(notified, 1, "a notification leads to one look");
    world.append("run_new", "a", &note(2, 1));
    watcher.take_in(hint("run_new"));
    let (found, _) = looks_until_shown(&world, &mut watcher, "run_new");
    assert!(found <= 2, "{found} looks for a new run");
    let changed = format!("run_{}", runs / 2);
    world.append(&changed, "b", &note(2, 1));
    let (polled, waited) = looks_until_shown(&world, &mut watcher, &changed);
    // Each run that rests is looked at about once per such a time.
    let round = Duration::from_secs(30).max(Duration::from_millis(4) * runs);
    assert!(waited <= round, "{waited:?} until a change was found");
    assert!(polled <= 2 * u64::from(runs), "{polled} looks");
    format!(
        "{runs} runs: {notified} look at a changed one, {found} at a new one; without notifications {polled} looks, {} s",
        waited.as_secs()
    )
}

#[test]
fn a_changed_run_is_found_without_a_look_at_all_others() {
    check(100);
}

#[test]
#[ignore = "20,000 runs: `just guarantees` runs it"]
fn among_many_runs_a_changed_one_is_found_without_a_look_at_all_others() {
    proved("W5", &check(quick_or_soak(20_000, 200_000)));
}

#[test]
fn where_no_more_can_be_listened_to_that_is_said_once_and_changes_are_found_by_looking() {
    const RUNS: u32 = 300;
    let world = World::silent();
    world.folders_max.store(100, Ordering::Relaxed);
    for number in 0..RUNS {
        world.append(&format!("run_{number}"), "a", &note(1, 1));
    }
    let mut watcher = world.watcher();
    let mut said = Vec::new();
    for _ in 0..RUNS {
        said.extend(turn(&mut watcher));
    }
    let count = |said: &[String], what: &str| said.iter().filter(|it| it.starts_with(what)).count();
    assert_eq!(count(&said, "updated"), RUNS as usize);
    assert_eq!(
        count(&said, "problem"),
        count(&said, "problem: notifications")
    );
    assert_eq!(count(&said, "problem"), 1);
    for number in 0..RUNS {
        world.append(&format!("run_{number}"), "a", &note(2, 1));
    }
    let mut said = Vec::new();
    for _ in 0..4 {
        world.clock.advance(Duration::from_millis(250));
        said.extend(turn(&mut watcher));
        // Each turn looks at some only, so that hints are taken in between.
        while watcher.schedule.next_due() == Duration::ZERO {
            said.extend(turn(&mut watcher));
        }
    }
    assert_eq!(count(&said, "updated"), RUNS as usize, "within the poll");
    assert_eq!(said.len(), RUNS as usize, "it was said before");
    assert_eq!(watcher.catch_up(&mut |_| {}).problems, 0, "only later");
    assert_eq!(world.differences(), [""; 0]);
    proved(
        "W5",
        &format!("{RUNS} runs where 100 folders can be listened to"),
    );
}
