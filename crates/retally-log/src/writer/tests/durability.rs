//! When a writer syncs, and what.

use super::*;
use std::sync::Condvar;

#[test]
fn a_full_segment_is_synced_and_another_taken() {
    let test = TestRun::new();
    let writer = test.writer();
    let full = writer.append(note("a")).expect("appended").segment;
    // As large as a segment may be, at no cost; the writer notices at the next append.
    writer.state().appender().pretend_full();
    let next = writer.append(note("b")).expect("appended");
    assert_ne!(next.segment, full);
    assert_eq!(next.seq, 1);
    assert!(writer.state().appender().left.is_empty());
}

#[test]
fn threads_that_want_power_share_a_sync() {
    const THREADS: usize = 8;
    let test = TestRun::new();
    let gate = Arc::new((Mutex::new((0, 0)), Condvar::new()));
    let counted = Arc::clone(&gate);
    // The first sync ends once all have written, so all others can share the second.
    let judge = move |call, _| {
        let (counts, changed) = &*counted;
        let mut counts = counts.lock().expect("not poisoned");
        match call {
            Call::Write => counts.0 += 1,
            Call::Sync => {
                counts.1 += 1;
                if counts.1 == 1 {
                    drop(changed.wait_while(counts, |counts| counts.0 < THREADS));
                }
                return Verdict::Pass;
            }
            _ => {}
        }
        changed.notify_all();
        Verdict::Pass
    };
    let options = WriterOptions {
        durability: Durability::Power,
        ..test.options()
    };
    let storage = Arc::new(FaultyStorage::new(judge));
    let writer = Writer::with_storage(test.run, options, storage);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| writer.append(note("a")).expect("appended"));
        }
    });
    assert_eq!(*gate.0.lock().expect("not poisoned"), (THREADS, 2));
    assert!(
        writer
            .state()
            .appender()
            .unsynced()
            .iter()
            .all(|it| it.commit.is_synced())
    );
}

#[test]
fn the_first_sync_reaches_the_folders_too() {
    let test = TestRun::new();
    let calls = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&calls);
    let judge = move |call, _| {
        if [Call::Write, Call::Sync, Call::SyncDir].contains(&call) {
            seen.lock().expect("not poisoned").push(call);
        }
        Verdict::Pass
    };
    let storage = Arc::new(FaultyStorage::new(judge));
    let writer = Writer::with_storage(test.run.clone(), test.options(), storage);
    writer.append(note("a")).expect("appended");
    writer.finish(RunStatus::Completed).expect("appended");
    writer.sync().expect("synced");
    writer.finish(RunStatus::Completed).expect("appended");
    let (write, sync, dir) = (Call::Write, Call::Sync, Call::SyncDir);
    let expected = [write, write, sync, dir, dir, dir, write, sync];
    assert_eq!(*calls.lock().expect("not poisoned"), expected);
}

#[test]
fn a_full_segment_is_synced_even_if_the_next_append_is_refused() {
    let test = TestRun::new();
    let syncs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&syncs);
    let storage = FaultyStorage::new(move |call, _| {
        counted.fetch_add(usize::from(call == Call::Sync), Ordering::SeqCst);
        Verdict::Pass
    });
    let writer = Writer::with_storage(test.run.clone(), test.options(), Arc::new(storage));
    writer.append(note("a")).expect("appended");
    writer.state().appender().pretend_full();
    let long = "x".repeat(LINE_BYTES_MAX);
    writer.append(note(&long)).expect_err("too long");
    assert_eq!(syncs.load(Ordering::SeqCst), 1);
    assert!(writer.state().appender().left.is_empty());
}

#[test]
fn a_writer_that_does_not_refuse_is_left_as_it_is_by_reopening() {
    let test = TestRun::new();
    let syncs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&syncs);
    let storage = FaultyStorage::new(move |call, _| {
        counted.fetch_add(usize::from(call == Call::Sync), Ordering::SeqCst);
        Verdict::Pass
    });
    let writer = Writer::with_storage(test.run.clone(), test.options(), Arc::new(storage));
    let first = writer.append(note("a")).expect("appended");
    writer.reopen();
    writer.sync().expect("synced");
    assert_eq!(syncs.load(Ordering::SeqCst), 1);
    let second = writer.append(note("b")).expect("appended");
    assert_eq!((second.segment, second.seq), (first.segment, 2));
}
