# Everything that CI runs. `just` alone lists the recipes.

duckdb_version := "2.0.0"

_list:
    @just --list --unsorted

# What must pass before a commit; CI runs the same recipes
check: fmt-check clippy test doc deny typos

# check and the quickstart
all: check quickstart

# Run all tests
test:
    cargo test --workspace

# Run only the tests of the dependency direction and the source rules
architecture:
    cargo test --test command architecture

# Rewrite the fixtures' expected files; look at the difference before you commit it
bless:
    RETALLY_BLESS=1 cargo test --workspace
    git status --short fixtures

# Format the sources
fmt:
    cargo fmt --all

# Fail if a source is not formatted
fmt-check:
    cargo fmt --all --check

# Lint all targets, warnings are errors
clippy:
    cargo clippy --workspace --all-targets -- -D warnings

# Build the documentation, warnings are errors
doc:
    RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps

# Check licences, sources and versions of the dependencies
deny:
    cargo deny --workspace --locked check --hide-inclusion-graph bans licenses sources

# Check the spelling
typos:
    typos

# The README's first command
quickstart:
    sh examples/quickstart.sh

# Build the Python package, install it into an environment of its own, and check it: just python -k seed
[positional-arguments]
python *arguments:
    crates/retally-python/check "$@"

# Check the Python package's adapters, each with its framework: just adapters langchain
adapters *names:
    crates/retally-python/check-adapters {{ names }}

# Watch under load, with killed writers; half an hour of 200 runs: just soak --minutes 30 --runs 200 --rate 400
soak *arguments:
    cargo build --release
    cargo run --release --example watch_soak -- {{ if arguments == "" { "--events 400000" } else { arguments } }}

# Throw broken bytes at all that reads them, for so many seconds at each: just fuzz 60
fuzz seconds="10":
    BOLERO_RANDOM_TEST_TIME_MS={{ seconds }}000 cargo test --profile fuzz -p retally-fuzz --test fuzz -- --nocapture
    PROPTEST_CASES=$(({{ seconds }} * 2000)) cargo test --profile fuzz --bin retally a_word_makes_one_field

# Run the proof of each promise and print what it counted: just guarantees --soak --write A1 C2
guarantees *arguments:
    cargo run --quiet --example guarantees -- {{ arguments }}

# Count the instructions that an event costs, and fail where one costs more than it may
instructions:
    cargo build --release --bin retally --example generate_logs --example work
    python3 benches/instructions.py

# Measure against peers and floors, in turns, and print the ratios: just bench folds --pairs 9
bench *arguments:
    cargo build --release --bin retally --example generate_logs --example work --example watch_soak
    test -x ~/.cache/retally-ci/bench/bin/python || python3 -m venv ~/.cache/retally-ci/bench
    ~/.cache/retally-ci/bench/bin/pip install --quiet duckdb=={{ duckdb_version }}
    ~/.cache/retally-ci/bench/bin/python benches/bench.py {{ arguments }}

# Measure the functions that each event goes through, one by one: just bench-functions append
bench-functions *arguments:
    cargo bench --bench functions -- {{ arguments }}

# Measure what an event costs from Python, beside json, sqlite3 and OpenTelemetry, in turns
[positional-arguments]
bench-python *arguments:
    crates/retally-python/bench "$@"
