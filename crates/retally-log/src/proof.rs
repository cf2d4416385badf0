//! How a proof of what `docs/guarantees.md` promises tells what it counted.

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
