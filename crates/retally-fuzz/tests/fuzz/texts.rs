//! What reads a text: names, times, numbers, events, price books, other tools' files.

use crate::corpus::{files, fuzz};
use retally_import::{Format, Source};
use retally_log::{
    Decimal, Draft, IssueId, Json, LlmCalled, Number, Root, RunId, Timestamp, file_stem,
};
use retally_reduce::PriceBook;
use std::path::Path;

fn good(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

#[test]
fn names() {
    let names = [
        "run_20241203_143022_project_168",
        "PROJ-7",
        "../x",
        "CON",
        "a%2Fb-c14cddc0",
        "123",
    ];
    fuzz("names", &good(&names), |bytes| {
        let text = &*String::from_utf8_lossy(bytes);
        let stem = file_stem(text);
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-%".contains(&byte);
        assert!(
            (1..=113).contains(&stem.len()) && stem.bytes().all(is_plain),
            "{stem}"
        );
        assert!(!stem.bytes().all(|byte| byte == b'.'), "{stem}");
        assert!(
            stem == text || file_stem(&stem) != stem,
            "{text:?}: {stem} is that of two"
        );
        let made = [
            RunId::new(text).ok(),
            Some(RunId::for_project(Timestamp::MIN, text)),
            Some(RunId::for_import("jsonl", text)),
        ];
        for id in made.into_iter().flatten() {
            assert_eq!(RunId::new(id.as_str()).as_ref(), Ok(&id));
            assert_eq!(
                RunId::new(id.numbered(7).as_str()).as_ref(),
                Ok(&id.numbered(7))
            );
            let run = Root::new("root").run(&id);
            assert_eq!(run.path().parent(), Some(Path::new("root")));
        }
        assert_eq!(IssueId::from(text).as_str(), text);
    });
}

#[test]
fn times_and_numbers() {
    let texts = [
        "2024-12-03T14:30:22.123456Z",
        "2016-12-31T23:59:60+14:00",
        "0000-01-01T00:00:00-23:59",
        "9007199254740991",
        "-1.5e-7",
        "0.000000001",
    ];
    fuzz("times_and_numbers", &good(&texts), |bytes| {
        let text = &*String::from_utf8_lossy(bytes);
        if let Ok(time) = Timestamp::parse(text) {
            assert!((Timestamp::MIN..=Timestamp::MAX).contains(&time), "{text}");
            assert_eq!(
                Timestamp::parse(&time.to_string()).as_ref(),
                Ok(&time),
                "{text}"
            );
        }
        if let Ok(decimal) = Decimal::parse(text) {
            assert!(decimal <= Decimal::MAX, "{text}");
            assert_eq!(Decimal::parse(&decimal.to_string()), Ok(decimal), "{text}");
        }
        if let Some(number) = Number::new(text) {
            assert!(Json::parse(number.as_str()).is_ok(), "{text}");
        }
    });
}

#[test]
fn drafts() {
    let lines = files("events/01938ced-e8ab-774b-bee2-91b0e88ea12c.jsonl").concat();
    let lines = lines.split(|byte| *byte == b'\n').map(<[u8]>::to_vec);
    fuzz("drafts", &lines.collect::<Vec<_>>(), |bytes| {
        _ = Draft::from_json(bytes).map_err(|error| error.to_string());
        if let Ok(text) = std::str::from_utf8(bytes) {
            _ = Json::parse(text).map_err(|error| error.to_string());
        }
    });
}

#[test]
fn price_books() {
    let books = [
        include_str!("../../../retally-reduce/src/prices.toml"),
        "[[price]]\nprovider = ['a', 'b']\nmodel = 'm*'\nvalid_from = 2025-02-08\ninput = 0.27\noutput = 1_000.5\ncache_read = '0.1'\n",
    ];
    fuzz("price_books", &good(&books), |bytes| {
        let text = &*String::from_utf8_lossy(bytes);
        match PriceBook::parse(text, "prices.toml") {
            Ok(book) => {
                let line = br#"{"type":"llm.called","provider":"a","model":"mx","input_tokens":9007199254740991,"output_tokens":9007199254740991,"cache_read_tokens":1}"#;
                let draft = Draft::from_json(line).expect("an event");
                let retally_log::Event::LlmCalled(call) = &draft.event else {
                    panic!("it is a call");
                };
                let _: &LlmCalled<'_> = call;
                _ = book.cost(Timestamp::MAX, call);
                assert_eq!(book.digest().len(), 64);
            }
            Err(error) => assert!(error.to_string().contains("line "), "{error}"),
        }
    });
}

fn import(format: &str, bytes: &[u8]) {
    let format = Format::find(format).expect("a known format");
    let path = Path::new("file.json");
    let run = None;
    match format.parse(&Source { path, bytes, run }) {
        Ok(parsed) => {
            for run in parsed.runs {
                assert_eq!(RunId::new(run.id.as_str()), Ok(run.id));
            }
            _ = parsed.problems.iter().map(ToString::to_string).count();
        }
        Err(error) => _ = error.to_string(),
    }
}

#[test]
fn import_of_jsonl() {
    fuzz("import_of_jsonl", &files(".jsonl"), |bytes| {
        import("jsonl", bytes);
    });
}

#[test]
fn import_of_github_actions() {
    // Whole exports take long to read; their beginnings hold all kinds of records.
    let run = r#"{"id":1,"run_attempt":1,"name":"ci","head_branch":"a/b","head_sha":"c0ffee","event":"push","status":"completed","conclusion":"failure","created_at":"2026-08-04T00:00:00Z","run_started_at":"2026-08-04T00:00:01Z","updated_at":"2026-08-04T00:01:00Z","html_url":"https://example.org/1","repository":{"full_name":"o/r"},"jobs":[{"name":"test","conclusion":"failure","started_at":"2026-08-04T00:00:05Z","completed_at":"2026-08-04T00:00:50Z"}]}"#;
    let good = [
        format!("{{\"total_count\":1,\"workflow_runs\":[{run}]}}"),
        format!("[{run},{run}]"),
        run.to_owned(),
    ];
    let good = good.map(String::into_bytes).to_vec();
    fuzz("import_of_github_actions", &good, |bytes| {
        import("github-actions", bytes);
    });
}
