use super::*;

fn check(text: &str, expected: &str) {
    let message = match Rules::parse(text, "f") {
        Ok(rules) if rules == Rules::default() => "default".to_owned(),
        Ok(_) => "rules".to_owned(),
        Err(error) => error.to_string(),
    };
    assert_eq!(message, expected, "{text}");
}

#[test]
fn an_error_names_the_line_and_the_cure() {
    check("", "default");
    check("[budget]\n[damage]\nseverity = 'critical'", "default");
    check("[budget]\nrun_usd = 5", "rules");
    check("[retry_storm]\nenabled = false", "rules");
    check(
        "[budget]\n\nrun_usd = -1",
        "rules `f`, line 3: `run_usd` is -1 (want 0 to 1000000000)",
    );
    check(
        "[issue_cost]\nz = nan",
        "rules `f`, line 2: `z` is NaN (want 1 to 100)",
    );
    check(
        "[issue_cost]\nsample_min = 20.5",
        "rules `f`, line 2: `sample_min` is 20.5 (want a whole number)",
    );
    check(
        "[issue_cost]\nsample_max = 10",
        "rules `f`, line 2: `sample_max` is below `sample_min` (raise it)",
    );
    check(
        "[success_rate]\nby = 'agent'",
        "rules `f`, line 2: `by` is neither \"project\" nor \"model\" (write one of them)",
    );
    check(
        "[delivery]\n[[delivery.command]]\nargv = []",
        "rules `f`, line 3: `argv` names no program (write it first)",
    );
    check(
        "[[delivery.webhook]]\nurl = 'ftp://a'",
        "rules `f`, line 1: `url` is no address (begin it with `https://` or `http://`)",
    );
    check(
        "[[delivery.webhook]]\nurl = 'http://a'\nurl_env = 'A'",
        "rules `f`, line 1: `[[delivery.webhook]]` wants either `url` or `url_env`",
    );
}

#[test]
fn what_no_rule_knows_is_an_error() {
    for text in [
        "[budgets]",
        "[budget]\nrun = 1",
        "[damage]\nseverity = 'bad'",
        "[damage",
    ] {
        let error = Rules::parse(text, "f").expect_err(text).to_string();
        assert!(error.starts_with("rules `f`, line "), "{error}");
    }
}

#[test]
fn the_file_of_a_root_runs_no_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = Root::new(folder.path());
    assert_eq!(
        Rules::for_root(&root).expect("the default"),
        Rules::default()
    );
    let path = folder.path().join(ALERTS_FILE);
    std::fs::write(&path, "[budget]\nrun_usd = 1\n").expect("written");
    assert_ne!(Rules::for_root(&root).expect("rules"), Rules::default());
    let command = "[budget]\nrun_usd = 1\n[[delivery.command]]\nargv = ['true']\n";
    std::fs::write(&path, command).expect("written");
    let error = Rules::for_root(&root).expect_err("no delivery");
    assert!(
        matches!(error, RulesError::DeliveryInRoot { line: 3, .. }),
        "{error}"
    );
    assert!(Rules::from_file(&path).is_ok());
}

#[test]
fn an_address_is_not_shown() {
    let text = "[[delivery.webhook]]\nurl = 'https://example.com/secret'";
    let rules = Rules::parse(text, "f").expect("rules");
    assert!(!format!("{rules:?}").contains("secret"));
}
