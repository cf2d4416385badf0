use super::*;
use proptest::prelude::*;

/// Keys as services give them out, made up: the start, the characters that follow, and how many.
/// They are put together here so that none stands in this file.
const KEYS: &[(&str, &str, &str, usize)] = &[
    ("openai", "sk-", ALNUM, 48),
    ("openai", "sk-proj-", WORD, 120),
    ("openai", "sk-svcacct-", WORD, 60),
    ("openrouter", "sk-or-v1-", HEX, 64),
    ("langfuse", "sk-lf-", UUID, 36),
    ("anthropic", "sk-ant-api03-", WORD, 95),
    ("anthropic", "sk-ant-oat01-", WORD, 95),
    ("github", "ghp_", ALNUM, 36),
    ("github", "gho_", ALNUM, 36),
    ("github", "ghu_", ALNUM, 36),
    ("github", "ghs_", ALNUM, 36),
    ("github", "ghr_", ALNUM, 76),
    ("github", "github_pat_", ALNUM, 82),
    ("gitlab", "glpat-", WORD, 20),
    ("gitlab", "glptt-", HEX, 40),
    ("gitlab", "gldt-", WORD, 20),
    ("gitlab", "glrt-", WORD, 20),
    ("gitlab", "glcbt-64_", WORD, 20),
    ("aws", "AKIA", BASE32, 16),
    ("aws", "ASIA", BASE32, 16),
    ("google", "AIza", WORD, 35),
    ("google", "ya29.", WORD, 100),
    ("google", "GOCSPX-", WORD, 28),
    ("slack", "xoxb-", UUID, 36),
    ("slack", "xoxp-", UUID, 36),
    ("slack", "xapp-1-", UUID, 36),
    ("stripe", "sk_live_", ALNUM, 24),
    ("stripe", "rk_live_", ALNUM, 24),
    ("stripe", "sk_test_", ALNUM, 99),
    ("stripe", "whsec_", ALNUM, 32),
    ("hugging-face", "hf_", ALNUM, 34),
    ("npm", "npm_", ALNUM, 36),
    ("pypi", "pypi-AgEIcHlwaS5vcmc", WORD, 150),
    ("sendgrid", "SG.abcdefghijklmnopqrstuv.", WORD, 43),
    ("twilio", "SK", HEX, 32),
    ("telegram", "1234567890:AA", WORD, 33),
    ("digitalocean", "dop_v1_", HEX, 64),
    ("digitalocean", "doo_v1_", HEX, 64),
    ("databricks", "dapi", HEX, 32),
    ("groq", "gsk_", ALNUM, 52),
    ("replicate", "r8_", ALNUM, 37),
    ("xai", "xai-", ALNUM, 80),
    ("perplexity", "pplx-", ALNUM, 48),
    ("vault", "hvs.", WORD, 90),
    ("vault", "hvb.", WORD, 140),
    ("docker", "dckr_pat_", WORD, 27),
    ("linear", "lin_api_", ALNUM, 40),
    ("notion", "secret_", ALNUM, 43),
    ("notion", "ntn_", ALNUM, 46),
    ("age", "AGE-SECRET-KEY-1", UPPER, 58),
    ("grafana", "glsa_", ALNUM, 41),
    ("sentry", "sntrys_", ALNUM, 120),
    ("new-relic", "NRAK-", UPPER, 27),
    ("shopify", "shpat_", HEX, 32),
    ("mailgun", "key-", HEX, 32),
    ("atlassian", "ATATT3", WORD, 180),
    ("supabase", "sbp_", HEX, 40),
    ("tailscale", "tskey-auth-", UUID, 30),
    ("netlify", "nfp_", ALNUM, 36),
    ("figma", "figd_", WORD, 40),
    ("crates-io", "cio", ALNUM, 32),
    ("openai", "sk-", HEX, 32),
    ("openai", "sk-admin-", WORD, 60),
    ("github", "ghs_eyJhbGciOiJ.", WORD, 80),
    ("gitlab", "glrtr-", WORD, 20),
    ("gitlab", "GR1348941", WORD, 20),
    ("google", "AQ.Ab", WORD, 48),
    ("hugging-face", "api_org_", ALNUM, 34),
    ("azure", "a~18Q~", WORD, 34),
    ("discord", "MTAwMDAwMDAwMDAwMDAwMDAw.Cl2FMQ.", WORD, 38),
    ("discord", "ODAwMDAwMDAwMDAwMDAwMDAwMA.X-h_Zw.", WORD, 27),
    ("nvidia", "nvapi-", WORD, 64),
    ("cerebras", "csk-", LOWER, 48),
    ("together", "tgp_v1_", WORD, 43),
    ("langsmith", "lsv2_pt_", HEX, 43),
    (
        "langsmith",
        "lsv2_sk_0a1b2c3d4e5f67890a1b2c3d4e5f6789_",
        HEX,
        10,
    ),
    ("tavily", "tvly-", WORD, 32),
    ("pinecone", "pcsk_", ALNUM, 70),
    ("jina", "jina_", WORD, 60),
    ("elevenlabs", "sk_", HEX, 48),
    ("firecrawl", "fc-", HEX, 32),
    ("e2b", "e2b_", HEX, 40),
    ("llama-cloud", "llx-", ALNUM, 48),
    ("terraform", "aB3dE6gH9jK2mN.atlasv1.", WORD, 67),
    ("doppler", "dp.pt.", ALNUM, 43),
    ("doppler", "dp.st.dev_personal.", ALNUM, 43),
    ("fly", "fm2_", ALNUM, 120),
    ("fly", "fo1_", WORD, 43),
    ("heroku", "HRKU-", WORD, 60),
    ("pulumi", "pul-", HEX, 40),
    ("planetscale", "pscale_tkn_", WORD, 43),
    ("alibaba", "LTAI", ALNUM, 20),
    ("rubygems", "rubygems_", HEX, 48),
    ("buildkite", "bkua_", HEX, 40),
    ("circleci", "CCIPAT_", WORD, 62),
    ("sourcegraph", "sgp_", HEX, 40),
    ("artifactory", "AKCp", ALNUM, 69),
    ("1password", "ops_eyJ", ALNUM, 200),
    ("square", "sq0csp-", WORD, 43),
    ("dropbox", "sl.u.", WORD, 140),
    (
        "mapbox",
        "sk.eyJ1IjoiYSIsImEiOiJiNiIsImMiOiJkOGY5ZzAxMmgzIiwiZCI6MX0.",
        WORD,
        22,
    ),
    ("jwt", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.", WORD, 43),
];

const ALNUM: &str = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7";
const WORD: &str = "aB3-dE6_gH9jK2mN5pQ8sT1vW4y";
const HEX: &str = "0a1b2c3d4e5f67890";
const BASE32: &str = "A2B3C4D5E6F7GHIJ";
const UPPER: &str = "A2B3C4D5E6F7G8H9";
const LOWER: &str = "a2b3c4d5e6f7g8h9";
const UUID: &str = "12345678-1234-4a5b-8c9d-abcdef012345";

fn key((_, start, alphabet, length): (&str, &str, &str, usize)) -> String {
    let rest: String = alphabet.chars().cycle().take(length).collect();
    format!("{start}{}", rest.replacen("sk", "ks", 9))
}

fn redact(text: &str) -> String {
    SecretRedactor::new().redact(text).into_owned()
}

#[test]
#[expect(clippy::print_stdout, reason = "`just guarantees` prints it")]
fn keys_of_services_are_found_wherever_they_stand() {
    const PLACES: &[&str] = &[
        "KEY",
        "failed with KEY",
        "KEY is wrong",
        "got \"KEY\"",
        "('KEY',)",
        "line\r\nKEY\r\nnext",
        "日本語 KEY 日本語",
        "{\"headers\":{\"x\":\"KEY\"}}",
        "{\\\"key\\\":\\\"KEY\\\"}",
        "https://example.org/?k=KEY&b=1",
        "<KEY>",
        "`KEY`",
        "a=KEY;b",
        "\tKEY\n",
        "{\"text\": \"first line\\nKEY\\n\"}",
        "\u{1b}[31mKEY\u{1b}[0m",
        "https://example.org/?k%3DKEY",
    ];
    assert!(KEYS.len() >= 100);
    for entry in KEYS {
        let key = key(*entry);
        for place in PLACES {
            let redacted = redact(&place.replace("KEY", &key));
            let expected = place.replace("KEY", &format!("[redacted:{}]", entry.0));
            assert_eq!(redacted, expected, "{place} {key}");
        }
    }
    let text: String = KEYS.iter().map(|entry| key(*entry) + " ").collect();
    let redacted = redact(&text);
    println!(
        "proved T12: {} keys in {} places each",
        KEYS.len(),
        PLACES.len()
    );
    assert_eq!(
        redacted.matches("[redacted:").count(),
        KEYS.len(),
        "{redacted}"
    );
}

#[test]
fn secrets_are_found_by_what_stands_around_them() {
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzzzzz";
    for (text, expected) in [
        (
            format!("aws_secret_access_key = {secret}"),
            "aws_secret_access_key = [redacted:aws]",
        ),
        (
            format!("\"SecretAccessKey\": \"{secret}\""),
            "\"SecretAccessKey\": \"[redacted:aws]\"",
        ),
        (
            "postgres://app:hunter22@db:5432/x".into(),
            "postgres://app:[redacted:url-password]@db:5432/x",
        ),
        (
            "https://:abcdef@host/".into(),
            "https://:[redacted:url-password]@host/",
        ),
        (
            "Authorization: Bearer abc123def456ghi789".into(),
            "Authorization: Bearer [redacted:authorization]",
        ),
        (
            "authorization: basic dXNlcjpwYXNzd29yZDE=".into(),
            "authorization: basic [redacted:authorization]",
        ),
        (
            "export API_KEY=abc123def456".into(),
            "export API_KEY=[redacted:assignment]",
        ),
        (
            "{\"client_secret\": \"abc123def456\"}".into(),
            "{\"client_secret\": \"[redacted:assignment]\"}",
        ),
        (
            "password: hunter22hunter".into(),
            "password: [redacted:assignment]",
        ),
        (
            "https://hooks.slack.com/services/T0000/B0000/abcdefghij".into(),
            "https://hooks.slack.com/services/[redacted:slack]",
        ),
        (
            "https://x.blob.core.windows.net/a?sv=1&sig=abc%2Bdefghijklmnopqrstuvwxyz0123%3D"
                .into(),
            "https://x.blob.core.windows.net/a?sv=1&sig=[redacted:azure]",
        ),
        (
            "AccountKey=abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH==;x".into(),
            "AccountKey=[redacted:azure];x",
        ),
        (
            "postgres://app:p@ss:word@db/x".into(),
            "postgres://app:[redacted:url-password]@db/x",
        ),
        (
            "Authorization: Basic dXNlcjpwYXNzd29yZA==".into(),
            "Authorization: Basic [redacted:authorization]",
        ),
        (
            "{\\\"Authorization\\\": \\\"Bot abc123def456ghi789\\\"}".into(),
            "{\\\"Authorization\\\": \\\"Bot [redacted:authorization]\\\"}",
        ),
        (
            "authorization=abc123def456ghi789 failed\\nbearer abc123def456ghi789".into(),
            "authorization=[redacted:authorization] failed\\nbearer [redacted:authorization]",
        ),
        (
            "\"db_password\": \"hunt&er,;22\", more".into(),
            "\"db_password\": \"[redacted:assignment]\", more",
        ),
        (
            "password='it\\\\s22hunter' and password: hunt@er:22.".into(),
            "password='[redacted:assignment]' and password: [redacted:assignment].",
        ),
        (
            "mysql --user me --password hunter22 --db-token=abc123def456".into(),
            "mysql --user me --password [redacted:assignment] --db-token=[redacted:assignment]",
        ),
        (
            "x-api-key: abc123def456, :token => 'abc123def456', secret := `abc123def456`".into(),
            "x-api-key: [redacted:assignment], :token => '[redacted:assignment]', secret := `[redacted:assignment]`",
        ),
        (
            "SECRET_KEY='abc123def456' PRIVATE-TOKEN: abc123def456".into(),
            "SECRET_KEY='[redacted:assignment]' PRIVATE-TOKEN: [redacted:assignment]",
        ),
        (
            "password=\"[redacted:github]abc12345\" password=[redacted:github]".into(),
            "password=\"[redacted:assignment]\" password=[redacted:github]",
        ),
    ] {
        assert_eq!(redact(&text), expected);
    }
}

#[test]
fn a_private_key_is_found_whole_or_cut_off() {
    let frame = |word: &str, kind: &str| format!("-----{word} {kind}PRIVATE KEY-----");
    for kind in ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "] {
        let body = "MIIEpAIBAAKCAQEA\nabc\n";
        let whole = format!("a {}\n{body}{} b", frame("BEGIN", kind), frame("END", kind));
        assert_eq!(redact(&whole), "a [redacted:private-key] b");
        let cut = format!("a {}\\n{body}", frame("BEGIN", kind));
        assert_eq!(redact(&cut), "a [redacted:private-key]");
    }
}

/// Code, logs and texts that hold no secret, one a line.
const ORDINARY: &str = include_str!("ordinary.txt");

#[test]
fn what_only_looks_like_a_secret_stays() {
    assert!(ORDINARY.lines().count() >= 80);
    for text in ORDINARY.lines() {
        for text in [
            text.to_owned(),
            format!("stdout: {text}\n"),
            format!("({text})"),
            text.replace('"', "\\\""),
        ] {
            assert_eq!(redact(&text), text);
        }
    }
    assert_eq!(redact(ORDINARY), ORDINARY);
    assert_eq!(redact(""), "");
}

#[test]
fn values_of_secret_variables_are_found() {
    let variables = [
        ("DB_PASSWORD", "correct horse"),
        ("my_token", "t0k3n-value"),
        ("LONG_TOKEN", "t0k3n-value-and-more"),
        ("API_KEY_FILE", "/run/secrets/api"),
        ("SHORT_KEY", "1234567"),
        ("HOME", "/home/somebody"),
        ("SECRET", "ünïcode ✓"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let redactor = SecretRedactor::new().with_variables(variables);
    for (text, expected) in [
        ("a correct horse b", "a [redacted:DB_PASSWORD] b"),
        ("t0k3n-value-and-more", "[redacted:LONG_TOKEN]"),
        ("xt0k3n-valuex", "x[redacted:my_token]x"),
        (
            "/run/secrets/api 1234567 /home/somebody",
            "/run/secrets/api 1234567 /home/somebody",
        ),
        ("an ünïcode ✓ mark", "an [redacted:SECRET] mark"),
    ] {
        assert_eq!(redactor.redact(text), expected);
    }
    assert_eq!(redactor.counts().values().sum::<u64>(), 4);
}

#[test]
fn the_users_own_patterns_are_found() {
    let text = "[[pattern]]\nkind = \"customer\"\nregex = 'CUST-\\d{6}'\n[[pattern]]\nkind = \"pin\"\nregex = 'pin (\\d+)'\n";
    let patterns = SecretPatterns::parse(text, "redact.toml").expect("patterns");
    let redactor = SecretRedactor::new().with_patterns(patterns);
    assert_eq!(
        redactor.redact("CUST-123456 pin 42"),
        "[redacted:customer] pin [redacted:pin]"
    );
}

#[test]
fn what_is_allowed_stays_and_nothing_that_is_more() {
    let text = "[[allow]]\ntext = 'hunter22'\n[[allow]]\nregex = 'ghp_[aA0]+'\n\
                [[pattern]]\nkind = 'pin'\nregex = 'hunter\\d+'\n";
    let patterns = SecretPatterns::parse(text, "redact.toml").expect("patterns");
    let variables = [("A_KEY".to_owned(), "hunter22".to_owned())];
    let redactor = SecretRedactor::new()
        .with_variables(variables)
        .with_patterns(patterns);
    let made_up = format!("ghp_{}", "aA0".repeat(12));
    for text in [
        "hunter22 https://me:hunter22@host password=hunter22",
        &made_up,
    ] {
        assert_eq!(redactor.redact(text), text);
    }
    assert_eq!(
        redactor.redact(&format!("hunter2 {made_up}b")),
        "[redacted:pin] [redacted:github]"
    );
}

#[test]
fn behind_a_thousand_places_of_a_users_pattern_the_rest_is_one_secret() {
    let text = "[[pattern]]\nkind = 'k'\nregex = 'a[^z]*z|a'\n";
    let patterns = SecretPatterns::parse(text, "redact.toml").expect("patterns");
    let redactor = SecretRedactor::new().with_patterns(patterns);
    let redacted = redactor.redact(&"a.".repeat(200_000)).into_owned();
    assert_eq!(redacted, "[redacted:k].".repeat(1000) + "[redacted:k]");
}

#[test]
fn names_are_told_apart_where_the_secret_cannot_be_guessed() {
    let variables = [("DB_PASSWORD".to_owned(), "correct horse".to_owned())];
    let patterns = "[[pattern]]\nkind = \"pin\"\nregex = 'pin \\d+'\n";
    let patterns = SecretPatterns::parse(patterns, "redact.toml").expect("patterns");
    let redactor = SecretRedactor::new()
        .with_variables(variables)
        .with_patterns(patterns);
    let names = KEYS.iter().map(|entry| key(*entry));
    let redacted: Vec<_> = names
        .clone()
        .map(|name| redactor.redact_name(&name).into_owned())
        .collect();
    for ((entry, name), redacted) in KEYS.iter().zip(names).zip(&redacted) {
        let expected = format!("[redacted:{}]-{}", entry.0, short_hash(&name));
        assert_eq!(*redacted, expected);
        assert_eq!(redactor.redact_name(redacted), *redacted);
    }
    for (name, expected) in [
        ("pin 1234", "[redacted:pin]"),
        ("correct horse", "[redacted:DB_PASSWORD]"),
        (
            "https://me:hunter22@host/7",
            "https://me:[redacted:url-password]@host/7",
        ),
        ("password=hunter22", "password=[redacted:assignment]"),
        (
            "Authorization: Basic dXNlcjpwYXNzd29yZA==",
            "Authorization: Basic [redacted:authorization]",
        ),
        ("PROJ-7", "PROJ-7"),
    ] {
        assert_eq!(redactor.redact_name(name), expected);
    }
}

#[test]
fn a_member_is_a_secret_by_its_key() {
    let allowed = "[[allow]]\ntext = 'allowed-1'\n";
    let patterns = SecretPatterns::parse(allowed, "redact.toml").expect("patterns");
    let redactor = SecretRedactor::new().with_patterns(patterns);
    let github = key(("github", "ghp_", ALNUM, 36));
    let marked = "a [redacted:github]";
    for (key, text, expected) in [
        ("password", "correcthorse", "[redacted:assignment]"),
        ("dbPassword", "correcthorse", "[redacted:assignment]"),
        ("api-key", "abc-123-def", "[redacted:assignment]"),
        ("OPENAI_API_KEY", "abc-123-def", "[redacted:assignment]"),
        ("token", &github, "[redacted:github]"),
        ("note", &github, "[redacted:github]"),
        ("password", marked, marked),
        ("password", "allowed-1", "allowed-1"),
        ("password", "short", "short"),
        ("password", "${PASSWORD}", "${PASSWORD}"),
        ("password", "12345678", "12345678"),
        ("token", "production", "production"),
        (
            "secret",
            "kept in the vault of 2024",
            "kept in the vault of 2024",
        ),
        ("private_key", "/etc/ssl/key1.pem", "/etc/ssl/key1.pem"),
        ("max_tokens", "4096-tokens", "4096-tokens"),
        ("model", "gpt-4o-2024-08-06", "gpt-4o-2024-08-06"),
    ] {
        assert_eq!(redactor.redact_member(key, text), expected, "{key}={text}");
    }
    assert_eq!(redactor.counts().values().sum::<u64>(), 6);
}

#[test]
fn marks_that_never_end_cost_no_more_than_their_length() {
    let text = "[redacted:".repeat(100_000) + &key(KEYS[0]);
    assert!(redact(&text).ends_with("[redacted:openai]"));
}

#[test]
fn malformed_patterns_are_named_with_their_line() {
    for (text, expected) in [
        (
            "[[pattern]]\nkind = \"a\"\n",
            "`redact.toml`, line 1: missing field `regex` (write `[[pattern]]` with `kind` and `regex`, or `[[allow]]` with `text` or `regex`)",
        ),
        (
            "[[pattern]]\nkind = \"a\"\nregex = 'x'\n[[allow]]\ntext = 'a'\nregex = 'b'\n",
            "`redact.toml`, line 4: `[[allow]]` wants either `text` or `regex` (write two for both)",
        ),
        (
            "[[allow]]\n",
            "`redact.toml`, line 1: `[[allow]]` wants either `text` or `regex` (write two for both)",
        ),
        (
            "[[allow]]\nregex = 'a)|(b'\n",
            "`redact.toml`, line 2: `regex` is none: unopened group (correct it)",
        ),
        (
            "[[allow]]\nregex = '.*'\n",
            "`redact.toml`, line 2: `regex` fits the empty text (make it ask for something)",
        ),
        (
            "[[pattern]]\nkind = \"a b\"\nregex = 'x'\n",
            "`redact.toml`, line 2: `kind` is \"a b\" (want 1 to 40 letters, digits, `-` and `_`)",
        ),
        (
            "[[pattern]]\nkind = \"a\"\nregex = 'x*'\n",
            "`redact.toml`, line 3: `regex` fits the empty text (make it ask for something)",
        ),
        (
            "[[pattern]]\nkind = \"a\"\nregex = '(x{1000}){1000}'\n",
            "`redact.toml`, line 3: `regex` is none: Compiled regex exceeds size limit of 1048576 bytes. (correct it)",
        ),
    ] {
        let error = SecretPatterns::parse(text, "redact.toml").expect_err("malformed");
        assert_eq!(error.to_string(), expected);
    }
    let many = "[[pattern]]\nkind = \"a\"\nregex = 'x'\n".repeat(101);
    let error = SecretPatterns::parse(&many, "redact.toml").expect_err("too many");
    assert_eq!(
        error.to_string(),
        "`redact.toml`, line 302: more than 100 patterns (join some by `|`)"
    );
}

#[test]
fn each_shape_has_a_pattern_and_anchors_that_it_contains() {
    for shape in SHAPES {
        let regex = compiled(shape);
        assert!(regex.captures_len() <= 4, "{}", shape.kind);
        assert!(
            shape.anchors.iter().all(|anchor| anchor.len() > 1),
            "{}",
            shape.kind
        );
    }
    for entry in KEYS {
        let anchored = ANCHORED_SHAPES.find(&key(*entry));
        let kinds = SHAPES
            .iter()
            .enumerate()
            .filter(|(at, _)| anchored & 1 << at != 0);
        assert!(
            kinds
                .map(|(_, shape)| shape.kind)
                .any(|kind| kind == entry.0),
            "{entry:?}"
        );
    }
}

proptest! {
    #[test]
    fn nothing_of_a_secret_is_left_and_what_was_redacted_stays(
        words in prop::collection::vec("[a-zäß\"\\\\{}:= \n]{0,12}", 1..6),
        keys in prop::collection::vec(0..KEYS.len(), 0..4),
    ) {
        let secrets: Vec<String> = keys.iter().map(|at| key(KEYS[*at])).collect();
        let mut text = String::new();
        for (at, word) in words.iter().enumerate() {
            text += word;
            if let Some(secret) = secrets.get(at) {
                text += " ";
                text += secret;
                text += " ";
            }
        }
        let redacted = redact(&text);
        for secret in secrets.iter().take(words.len()) {
            prop_assert!(!redacted.contains(&**secret), "{redacted}");
        }
        prop_assert_eq!(redact(&redacted), redacted);
    }

    #[test]
    fn any_text_is_redacted_without_a_panic(text in "\\PC{0,200}") {
        let redacted = redact(&text);
        prop_assert_eq!(redact(&redacted), redacted);
    }
}
