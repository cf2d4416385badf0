//! What the command tells about itself.

use crate::support::Sandbox;
use insta::assert_snapshot;

fn head(shown: &str) -> String {
    shown.lines().take(4).collect::<Vec<_>>().join("\n")
}

#[test]
fn each_shell_gets_its_completions() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = sandbox.run(&["completions", shell]);
        assert!(
            script.contains("rebuild") && script.contains("dry-run"),
            "{shell}: {script}"
        );
    }
    assert_snapshot!(head(&sandbox.run(&["completions", "cmd"])), @"
    exit 2
    --- stderr
    error: invalid value 'cmd' for '<SHELL>'
      [possible values: bash, elvish, fish, powershell, zsh]
    ");
}

#[test]
fn each_command_has_a_page_of_the_manual() {
    let sandbox = Sandbox::new();
    assert_snapshot!(head(&sandbox.run(&["man"])), @r#"
    .ie \n(.g .ds Aq \(aq
    .el .ds Aq '
    .TH retally 1  "retally 0.1.0" 
    .SH NAME
    "#);
    assert_snapshot!(head(&sandbox.run(&["man", "tail"])), @r#"
    .ie \n(.g .ds Aq \(aq
    .el .ds Aq '
    .TH retally-tail 1  "tail 0.1.0" 
    .SH NAME
    "#);
    assert_snapshot!(sandbox.run(&["man", "nothing"]), @"
    exit 2
    --- stderr
    error: no command is called `nothing` (see `retally --help`)
    ");
}
