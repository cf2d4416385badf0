use crate::support::Sandbox;
use insta::assert_snapshot;

const RUN: &str = "run_20241203_143022_project_168";

/// A run whose segment has a known name, with these changes to its lines.
fn damaged(change: impl FnOnce(&mut Vec<String>)) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.run(&["start", "--project", "168"]);
    for text in ["one", "two", "three", "four", "five"] {
        sandbox.run(&["append", RUN, "note.added", &format!("text={text}")]);
    }
    sandbox.run(&["finish", RUN]);
    let events = sandbox.path(&format!("logs/runs/{RUN}/events"));
    let (name, bytes) = sandbox.files(&format!("logs/runs/{RUN}/events")).remove(0);
    let text = String::from_utf8(bytes).expect("segments are UTF-8");
    // The header tells of this machine and differs in length: without it the segment is foreign.
    let mut lines: Vec<String> = text
        .split_inclusive('\n')
        .skip(1)
        .map(str::to_owned)
        .collect();
    lines.last_mut().expect("there are lines").clear();
    change(&mut lines);
    std::fs::remove_file(events.join(name)).expect("removed");
    std::fs::write(events.join("a.jsonl"), lines.concat()).expect("written");
    sandbox.run(&["rebuild"]);
    sandbox
}

#[test]
fn each_kind_of_damage_is_named_with_its_place() {
    let sandbox = damaged(|lines| {
        lines[1].truncate(40); // torn, and the next line glued to it
        lines[3] = lines[3].replace("three", "f1ve");
        lines.push(
            "{\"ts\":\"2024-12-03T14:30:22Z\",\"type\":\"note.added\",\"text\":\"x\"}\n".to_owned(),
        );
        lines.push("\u{7f}\u{1b}[31m nonsense\n".to_owned());
        lines.push("{\"seq\":9,\"ts\":".to_owned());
    });
    assert_snapshot!(sandbox.run(&["check"]), @"
    exit 1
     Run                               File             At byte   Bytes   What is wrong
    ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
     run_20241203_143022_project_168   events/a.jsonl         0     102   1 lost: seq 1 follows where 0 was due
     run_20241203_143022_project_168   events/a.jsonl       102      40   damage: torn: the write of this line was cut short
     run_20241203_143022_project_168   events/a.jsonl       237      96   damage: checksum does not match
     run_20241203_143022_project_168   events/a.jsonl       525      61   damage: no checksum, in a segment whose lines have one
     run_20241203_143022_project_168   events/a.jsonl       586      16   damage: not a JSON object: expected value at line 1 column 1
     run_20241203_143022_project_168   events/a.jsonl       602      14   no line end yet: being written, or its writer died (the next writer ends it)
    --- stderr
    runs: 1; events: 4, 0 without a checksum; damaged: 4; misfits: 0; lost: 1; report files that differ from a rebuild: 0
    ");
}

#[test]
fn lost_lines_and_misfits_are_named() {
    let sandbox = damaged(|lines| {
        lines.remove(3);
        lines.remove(2);
        lines.insert(
            0,
            "{\"ts\":\"2024-12-03T14:30:22\",\"type\":\"note.added\",\"text\":\"x\"}\n".to_owned(),
        );
    });
    assert_snapshot!(sandbox.run(&["check", RUN, "--format", "jsonl"]), @r#"
    exit 1
    {"run":"run_20241203_143022_project_168","file":"events/a.jsonl","offset":0,"length":60,"reason":"misfit: `ts` is \"2024-12-03T14:30:22\" (want a time with a zone: `Z` or an offset)"}
    {"run":"run_20241203_143022_project_168","file":"events/a.jsonl","offset":60,"length":102,"reason":"1 lost: seq 1 follows where 0 was due"}
    {"run":"run_20241203_143022_project_168","file":"events/a.jsonl","offset":257,"length":96,"reason":"2 lost: seq 5 follows where 3 was due"}
    --- stderr
    runs: 1; events: 4, 0 without a checksum; damaged: 0; misfits: 1; lost: 3; report files that differ from a rebuild: 0
    "#);
}

#[test]
fn a_report_that_differs_is_named_with_the_first_key() {
    let sandbox = damaged(|_| {});
    let metadata = sandbox.path(&format!("logs/runs/{RUN}/{RUN}_metadata.json"));
    let text = std::fs::read_to_string(&metadata).expect("it is there");
    std::fs::write(&metadata, text.replace("\"168\"", "\"167\"")).expect("changed");
    assert_snapshot!(sandbox.run(&["check", "--format", "csv"]), @r#"
    exit 1
    run,file,offset,length,reason
    run_20241203_143022_project_168,events/a.jsonl,0,102,1 lost: seq 1 follows where 0 was due
    run_20241203_143022_project_168,run_20241203_143022_project_168_metadata.json,,,"differs from a rebuild, first at /project_id"
    --- stderr
    runs: 1; events: 6, 0 without a checksum; damaged: 0; misfits: 0; lost: 1; report files that differ from a rebuild: 1 (`retally rebuild` mends them)
    "#);
}

#[test]
fn a_sound_root_has_no_findings() {
    let sandbox = Sandbox::new();
    sandbox.run(&["start", "--project", "168"]);
    sandbox.run(&["finish", RUN]);
    sandbox.run(&["rebuild"]);
    assert_snapshot!(sandbox.run(&["check"]), @"
    --- stderr
    runs: 1; events: 2, 0 without a checksum; damaged: 0; misfits: 0; lost: 0; report files that differ from a rebuild: 0
    ");
    assert_snapshot!(sandbox.run(&["check", "--quiet"]), @"");
    assert_snapshot!(sandbox.run(&["check", "nowhere"]), @"
    exit 3
    --- stderr
    error: no run in `logs/runs` is or begins with `nowhere` (list them with `retally runs`)
    ");
    assert_snapshot!(sandbox.run(&["check", "--format", "xml"]), @"
    exit 2
    --- stderr
    error: invalid value 'xml' for '--format <FORMAT>'
      [possible values: table, json, jsonl, md, csv]

    For more information, try '--help'.
    ");
}

#[test]
fn a_root_that_is_not_there_is_no_sound_one() {
    let sandbox = Sandbox::new();
    assert_snapshot!(sandbox.run(&["--root", "typo", "check"]), @"
    exit 3
    --- stderr
    error: there is no folder `typo` (name the root with --root or RETALLY_ROOT)
    ");
    assert_snapshot!(sandbox.run(&["--root", "typo", "rebuild"]), @"
    exit 3
    --- stderr
    error: there is no folder `typo` (name the root with --root or RETALLY_ROOT)
    ");
}

#[test]
fn the_log_is_verified_whatever_becomes_of_the_report_files() {
    let sandbox = damaged(|lines| lines.push("nonsense\n".to_owned()));
    let run = sandbox.path(&format!("logs/runs/{RUN}"));
    std::os::unix::fs::symlink("/tmp", run.join("issues")).expect("linked");
    std::os::unix::fs::symlink("/dev/null", run.join("events/b.jsonl")).expect("linked");
    sandbox.run(&["append", RUN, "issue.started", "issue=1"]);
    assert_snapshot!(sandbox.run(&["check", "--format", "jsonl"]), @r#"
    exit 1
    {"run":"run_20241203_143022_project_168","file":"events/a.jsonl","offset":0,"length":102,"reason":"1 lost: seq 1 follows where 0 was due"}
    {"run":"run_20241203_143022_project_168","file":"events/a.jsonl","offset":581,"length":9,"reason":"damage: not a JSON object: expected ident at line 1 column 2"}
    {"run":"run_20241203_143022_project_168","file":"events/b.jsonl","offset":0,"length":0,"reason":"no regular file: it was not read (put the segment itself in its place)"}
    {"run":"run_20241203_143022_project_168","file":"","offset":null,"length":null,"reason":"report files could not be compared: `logs/runs/run_20241203_143022_project_168/issues` is a link or no folder (put a folder in its place)"}
    --- stderr
    runs: 1; events: 7, 0 without a checksum; damaged: 1; misfits: 0; lost: 1; report files that differ from a rebuild: 0
    "#);
    std::fs::write(sandbox.path("logs/runs/prices.toml"), "nonsense").expect("written");
    assert_snapshot!(sandbox.run(&["check", "--format", "jsonl"]), @r#"
    exit 3
    {"run":"run_20241203_143022_project_168","file":"events/a.jsonl","offset":0,"length":102,"reason":"1 lost: seq 1 follows where 0 was due"}
    {"run":"run_20241203_143022_project_168","file":"events/a.jsonl","offset":581,"length":9,"reason":"damage: not a JSON object: expected ident at line 1 column 2"}
    {"run":"run_20241203_143022_project_168","file":"events/b.jsonl","offset":0,"length":0,"reason":"no regular file: it was not read (put the segment itself in its place)"}
    --- stderr
    runs: 1; events: 7, 0 without a checksum; damaged: 1; misfits: 0; lost: 1; report files that differ from a rebuild: 0
    error: report files were not compared, only logs verified: price book `logs/runs/prices.toml`, line 1: key with no value, expected `=` (write each entry as `[[price]]` with `model`, `input`, `output` and optionally `provider`, `valid_from`, `cache_read`, `cache_write`)
    "#);
}

#[test]
fn unknown_types_are_mentioned_and_no_finding() {
    let sandbox = Sandbox::new();
    sandbox.run(&["start", "--project", "168"]);
    sandbox.run(&["append", RUN, "issue.finshed", "issue=1"]);
    sandbox.run(&["rebuild"]);
    assert_snapshot!(sandbox.run(&["check"]), @"
    --- stderr
    note: 1 events of the unknown type `issue.finshed` are kept
    runs: 1; events: 2, 0 without a checksum; damaged: 0; misfits: 0; lost: 0; report files that differ from a rebuild: 0
    ");
}
