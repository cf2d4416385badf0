//! Proofs of what `docs/guarantees.md` promises, where they need more than one crate or take long;
//! that file names the test of each promise, and `just guarantees` runs them all.
//!
//! A proof prints what it counted, behind the promise's number. Those that take long are ignored by
//! `cargo test`. With `RETALLY_SOAK` set they count as far as the soak in the docs does.

mod append;
mod child;
mod clocks;
mod copies;
mod extremes;
mod failing_calls;
mod folded_run;
mod forgery;
mod full_disk;
mod hostile;
mod links;
mod memory;
mod names;
mod pieces;
mod random;
mod report_files;
mod retention;
pub(crate) mod terminal;
mod watch;

/// Says what was counted to prove a promise.
#[expect(clippy::print_stdout, reason = "`just guarantees` prints it")]
pub(crate) fn proved(promise: &str, counts: &str) {
    println!("proved {promise}: {counts}");
}

/// Chooses between the count of every run and that of the soak.
pub(crate) fn quick_or_soak<T>(quick: T, soak: T) -> T {
    match std::env::var_os("RETALLY_SOAK") {
        Some(_) => soak,
        None => quick,
    }
}
