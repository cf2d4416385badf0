//! Writes logs such as orchestrators leave, the same bytes for the same options but for the names
//! of segments and what they state of the machine.
//!
//! ```sh
//! cargo run --release --example generate_logs -- --root /tmp/tree --runs 2815 --events 5000000
//! cargo run --release --example generate_logs -- --root /tmp/one --runs 1 --events 1000000
//! cargo run --release --example generate_logs -- --root /tmp/foreign --runs 300 --shape foreign
//! ```

mod logs;

use clap::Parser;

fn main() -> anyhow::Result<()> {
    logs::write(&logs::Options::parse())
}
