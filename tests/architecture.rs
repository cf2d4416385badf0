//! Keeps the architecture: which crate may depend on which, what no crate may turn on, and (in
//! `sources`) what no library source may hold, and (in `supply`) what it may be built from.

mod sources;
mod supply;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// Each workspace crate with those it may depend on, in any way: normal, build or dev.
///
/// Crates stand here before they exist. A new crate or edge is a decision, made here.
const ALLOWED: &[(&str, &[&str])] = &[
    ("retally-log", &[]),
    ("retally-redact", &["retally-log"]),
    ("retally-reduce", &["retally-log"]),
    ("retally-watch", &["retally-log", "retally-reduce"]),
    ("retally-import", &["retally-log"]),
    (
        "retally-fuzz",
        &["retally-log", "retally-reduce", "retally-import"],
    ),
    ("retally-export", &["retally-log", "retally-reduce"]),
    ("retally-stats", &["retally-reduce"]),
    (
        "retally-alerts",
        &["retally-log", "retally-reduce", "retally-stats"],
    ),
    ("retally-sql", &["retally-log", "retally-reduce"]),
    ("retally-serve", &["retally-watch", "retally-stats"]),
    (
        "retally-python",
        &[
            "retally-log",
            "retally-redact",
            "retally-reduce",
            "retally-watch",
        ],
    ),
    (
        "retally",
        &[
            "retally-log",
            "retally-redact",
            "retally-reduce",
            "retally-watch",
            "retally-alerts",
            "retally-import",
            "retally-export",
            "retally-stats",
            "retally-sql",
            "retally-serve",
        ],
    ),
];

/// Features of `serde_json` that change how every crate in the graph reads numbers and maps.
const BANNED_FEATURES: &[&str] = &["arbitrary_precision", "preserve_order"];

#[test]
fn crates_depend_only_on_those_below_them() {
    let forbidden = forbidden_edges(&metadata(&["--no-deps"]));
    assert!(
        forbidden.is_empty(),
        "edges that ALLOWED does not hold:\n{}",
        forbidden.join("\n")
    );
}

#[test]
fn an_edge_or_a_crate_outside_the_table_is_named() {
    let package =
        |name: &str, dependency: Value| json!({"name": name, "dependencies": [dependency]});
    let own = |name: &str| json!({"name": name, "path": "somewhere"});
    let metadata = json!({"packages": [
        package("retally-reduce", own("retally-log")),
        package("retally-log", own("retally-reduce")),
        package("retally-extra", own("retally-log")),
        package("retally-import", json!({"name": "serde"})),
    ]});
    assert_eq!(
        forbidden_edges(&metadata),
        [
            "retally-log -> retally-reduce",
            "retally-extra -> retally-log"
        ]
    );
}

#[test]
fn no_crate_changes_how_serde_json_reads_numbers_and_maps() {
    let host = host();
    let metadata = metadata(&["--locked", "--all-features", "--filter-platform", &host]);
    let features = features_of("serde_json", &metadata);
    assert!(
        features.contains(&"float_roundtrip"),
        "features of serde_json: {features:?}"
    );
    for banned in BANNED_FEATURES {
        assert!(
            !features.contains(banned),
            "`{banned}` of serde_json is on (find who asks for it: cargo tree -e features -i serde_json)"
        );
    }
}

/// Returns what cargo says about the workspace.
fn metadata(arguments: &[&str]) -> Value {
    let answer = cargo(&[&["metadata", "--format-version", "1"], arguments].concat());
    serde_json::from_slice(&answer).expect("cargo metadata prints JSON")
}

/// Returns the host's target, so that nothing is asked that a build here has not downloaded.
fn host() -> String {
    let answer = String::from_utf8(cargo(&["-vV"])).expect("cargo prints UTF-8");
    let host = answer.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("cargo -vV names the host").to_owned()
}

/// Runs the cargo that built this test in the root package, and returns what it prints.
fn cargo(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "cargo {}: {stderr}",
        arguments.join(" ")
    );
    output.stdout
}

/// Returns the edges between workspace crates that [`ALLOWED`] does not hold.
fn forbidden_edges(metadata: &Value) -> Vec<String> {
    let mut forbidden = Vec::new();
    for package in list(&metadata["packages"]) {
        let name = text(&package["name"]);
        let allowed = ALLOWED
            .iter()
            .find(|(of, _)| *of == name)
            .map_or(&[][..], |(_, to)| to);
        // Only crates of the workspace are found by path.
        for edge in list(&package["dependencies"])
            .iter()
            .filter(|edge| edge["path"].is_string())
        {
            let to = text(&edge["name"]);
            if !allowed.contains(&to) {
                forbidden.push(format!("{name} -> {to}"));
            }
        }
    }
    forbidden
}

/// Returns the features of all versions of `package` in the resolved graph.
fn features_of<'m>(package: &str, metadata: &'m Value) -> Vec<&'m str> {
    let named = |&of: &&Value| text(&of["name"]) == package;
    let ids: Vec<_> = list(&metadata["packages"])
        .iter()
        .filter(named)
        .map(|of| &of["id"])
        .collect();
    list(&metadata["resolve"]["nodes"])
        .iter()
        .filter(|node| ids.contains(&&node["id"]))
        .flat_map(|node| list(&node["features"]))
        .map(text)
        .collect()
}

/// Returns the names and source folders of the workspace's crates.
fn source_folders(metadata: &Value) -> Vec<(&str, PathBuf)> {
    let folder = |package: &Value| Path::new(text(&package["manifest_path"])).with_file_name("src");
    list(&metadata["packages"])
        .iter()
        .map(|of| (text(&of["name"]), folder(of)))
        .collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("cargo metadata has a list here")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("cargo metadata has a string here")
}
