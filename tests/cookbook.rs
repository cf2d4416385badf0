//! The commands of `docs/cookbook.md`, as a reader runs them.

#[path = "../examples/generate_logs/logs.rs"]
mod logs;

use crate::support::Sandbox;
use clap::Parser;
use std::path::Path;
use std::process::{Command, Output};

const COOKBOOK: &str = include_str!("../docs/cookbook.md");

/// What to run, and what the cookbook shows of what that says.
#[derive(Default)]
struct Recipe<'c> {
    commands: &'c str,
    shown: &'c str,
}

fn recipes() -> Vec<Recipe<'static>> {
    let mut recipes: Vec<Recipe<'_>> = Vec::new();
    for block in COOKBOOK.split("\n```").skip(1).step_by(2) {
        let (kind, text) = block.split_once('\n').expect("a block has lines");
        match (kind, recipes.last_mut()) {
            ("sh", _) => recipes.push(Recipe {
                commands: text,
                shown: "",
            }),
            ("text", Some(recipe)) => recipe.shown = text,
            _ => assert_eq!(kind, "console", "a kind of block that is not tried"),
        }
    }
    recipes
}

impl Recipe<'_> {
    fn run(&self, root: &Path) -> Output {
        let command = Path::new(env!("CARGO_BIN_EXE_retally"));
        let folder = command.parent().expect("it lies in a folder");
        Command::new("sh")
            .args(["-euc", self.commands])
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", folder.display()))
            .env("HOME", root)
            .env("RETALLY_ROOT", root)
            .env("RETALLY_NOW", "2025-01-01T00:00:00Z")
            .output()
            .expect("there is a shell")
    }

    /// Runs it, and returns what it printed.
    fn said(&self, root: &Path) -> String {
        let output = self.run(root);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let beside = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}{said}{beside}", self.commands);
        assert!(!beside.contains("error"), "{}{beside}", self.commands);
        said
    }
}

#[test]
fn each_recipe_says_what_the_cookbook_shows() {
    let sandbox = Sandbox::new();
    let root = sandbox.path("generated");
    let options = ["", "--runs", "1000", "--events", "200000", "--root"].map(str::to_owned);
    let options = options.into_iter().chain([root.display().to_string()]);
    logs::write(&logs::Options::parse_from(options)).expect("the folder is new");
    let recipes = recipes();
    assert!(recipes.len() > 12, "the blocks are found");
    for recipe in &recipes {
        let said = recipe.said(&root);
        assert!(!said.is_empty(), "{}", recipe.commands);
        for line in recipe.shown.lines() {
            assert!(
                said.lines().any(|it| it == line),
                "{line}\n--- not in\n{said}"
            );
        }
    }
}

#[test]
fn each_recipe_runs_on_the_sample_of_the_quickstart() {
    let sandbox = Sandbox::new();
    let root = sandbox.path("sample");
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/imports/github-actions");
    let import = Recipe {
        commands: &format!("retally import github-actions {}/*.json", samples.display()),
        ..Recipe::default()
    };
    import.said(&root);
    for recipe in recipes() {
        recipe.said(&root);
    }
}
