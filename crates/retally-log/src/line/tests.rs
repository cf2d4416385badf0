use super::*;
use crate::event::{AgentFinished, NoteAdded, RunStarted, UnknownEvent};
use crate::field::Llm;
use crate::format::COUNT_MAX;
use crate::json::Object;
use crate::line_writer::{EncodeError, TextRules, encode_line};
use crate::number::Number;

fn encode(draft: &Draft<'_>) -> Result<String, EncodeError> {
    let mut out = Vec::new();
    let ts = Timestamp::from_micros_saturating(1_733_236_222_123_456);
    encode_line(&mut out, 12, ts, draft, TextRules::default())?;
    Ok(String::from_utf8(out).expect("lines are UTF-8"))
}

fn note(text: &str) -> Draft<'_> {
    NoteAdded {
        text: text.into(),
        issue: None,
        agent: None,
    }
    .into()
}

/// Says in short what a line is read as.
fn read(line: &str) -> String {
    match parse_line(line.as_bytes()) {
        Err(damage) => format!("damage: {damage}"),
        Ok(SoundLine {
            content: Err(misfit),
            ..
        }) => format!("misfit: {misfit}"),
        Ok(SoundLine {
            content: Ok(envelope),
            is_sealed,
            ..
        }) => format!(
            "{} {}{}",
            envelope.event.type_name(),
            if is_sealed { "sealed" } else { "unsealed" },
            envelope
                .extra
                .iter()
                .map(|(key, raw)| format!(" +{key}={raw}"))
                .collect::<String>()
        ),
    }
}

fn check(line: &str, expected: &str) {
    assert_eq!(read(line), expected, "{line}");
}

#[test]
fn a_line_has_its_keys_in_the_order_of_the_format() {
    let event = AgentFinished {
        issue: 123.into(),
        agent: "testing".into(),
        span: None,
        success: true,
        error: None,
    };
    let line = encode(&event.into()).expect("the event fits");
    assert!(line.starts_with(
        r#"{"seq":12,"ts":"2024-12-03T14:30:22.123456Z","type":"agent.finished","issue":123,"agent":"testing","success":true,"crc":""#
    ), "{line}");
    check(line.trim_end(), "agent.finished sealed");
}

#[test]
fn what_is_written_is_read_back() {
    let mut draft: Draft<'_> = RunStarted {
        project_id: "168".into(),
        llm: Some(Llm {
            provider: Some("deepseek".into()),
            model: None,
            temperature: Number::new("0.0"),
            other: Object::from([("top_p".to_owned(), Json::parse("1.00").expect("a number"))]),
        }),
        mode: Some("a\nb \u{2028} \u{85} ü \u{1f600}".into()),
        specific_issue: Some("PROJ-7".into()),
        config: Some(Object::from([("seq".to_owned(), Json::Null)])),
        tags: None,
    }
    .into();
    draft.key = Some("k".into());
    draft.extra.push(
        "later",
        &Json::parse("{\"seq\":[1,{}]}").expect("it is JSON"),
    );
    let line = encode(&draft).expect("the event fits");
    assert_eq!(
        memchr::memmem::find_iter(line.as_bytes(), LINE_START).count(),
        1,
        "{line}"
    );
    assert!(line.is_char_boundary(line.len()) && !line.contains(['\u{2028}', '\u{85}']));
    let sound = parse_line(line.trim_end().as_bytes()).expect("the line is sound");
    let envelope = sound.content.expect("the line fits its type");
    assert_eq!(envelope.event, draft.event);
    assert_eq!(envelope.key, draft.key);
    let extra: Vec<_> = envelope.extra.iter().collect();
    assert_eq!(extra, [("later", "{ \"seq\":[1,{}]}")]);
}

#[test]
fn every_flipped_bit_of_a_sealed_line_is_damage() {
    let line = encode(&note("3 tests failed")).expect("the event fits");
    let line = line.trim_end().as_bytes();
    for bit in 0..line.len() * 8 {
        let mut flipped = line.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let seems_sound = parse_line(&flipped).is_ok_and(|sound| sound.is_sealed);
        assert!(!seems_sound, "bit {bit}");
        if let Ok(sound) = parse_line(&flipped) {
            // A flip in the frame of the checksum leaves a line without one: an extra field.
            assert!(bit / 8 >= line.len() - SEAL_BYTES, "bit {bit}: {sound:?}");
        }
    }
}

#[test]
fn foreign_lines_are_read_whatever_their_key_order() {
    check(
        r#" {"type":"run.scored","success":true,"ts":"2024-12-03T14:30:22+01:00"} "#,
        "run.scored unsealed",
    );
    check(
        r#"{"ts":"2024-12-03T14:30:22Z","type":"x.y","issue":1,"n":{"a":1}}"#,
        "x.y unsealed +issue=1 +n={\"a\":1}",
    );
    check(
        r#"{"ts":"2024-12-03T14:30:22Z","type":"issue.started","issue_iid":1,"issue_id":2}"#,
        "issue.started unsealed +issue_iid=1",
    );
    check(
        r#"{"ts":"2024-12-03T14:30:22Z","type":"issue.started","issue":1,"title":null,"key":null,"seq":null}"#,
        "issue.started unsealed",
    );
}

#[test]
fn a_sound_line_that_breaks_its_types_rules_is_a_misfit() {
    let ts = r#""ts":"2024-12-03T14:30:22Z""#;
    check(
        r#"{"type":"run.scored","success":true}"#,
        "misfit: `ts` is missing (want an RFC 3339 time with a zone)",
    );
    check(
        r#"{"type":"run.scored","success":true,"ts":"2024-12-03T14:30:22"}"#,
        "misfit: `ts` is \"2024-12-03T14:30:22\" (want a time with a zone: `Z` or an offset)",
    );
    check(
        &format!("{{{ts},\"success\":true}}"),
        "misfit: `type` is missing (want a string)",
    );
    check(
        &format!("{{{ts},\"type\":\"run.scored\"}}"),
        "misfit: `success` is missing (want true or false)",
    );
    check(
        &format!("{{{ts},\"type\":\"run.scored\",\"success\":1}}"),
        "misfit: `success` is 1 (want true or false)",
    );
    check(
        &format!("{{{ts},\"type\":\"run.finished\",\"status\":\"done\"}}"),
        "misfit: `status` is \"done\" (want one of completed, failed, stopped)",
    );
    for count in ["-1", "1.0", "1e3", "9007199254740992", "\"1\""] {
        let line = format!("{{{ts},\"type\":\"tool.called\",\"tool\":\"x\",\"calls\":{count}}}");
        check(
            &line,
            &format!("misfit: `calls` is {count} (want an integer from 0 to 9007199254740991)"),
        );
    }
}

#[test]
fn what_is_not_one_sound_object_is_damage() {
    check(
        "[]",
        "damage: not a JSON object: invalid type: sequence, expected a JSON object at line 1 column 0",
    );
    check(
        r#"{"a":1"#,
        "damage: torn: the write of this line was cut short",
    );
    check(
        r#"{"a":1,"a":1}"#,
        "damage: not a JSON object: the same key twice: `a` at line 1 column 13",
    );
    check(
        r#"{"a":{"b":1,"b":1}}"#,
        "damage: not a JSON object: the same key twice: `b` at line 1 column 13",
    );
    check(
        &format!("{}1", "[".repeat(100_000)),
        "damage: nested deeper than 64 levels",
    );
    check(
        r#"{"a":1,"crc":"00000000"}"#,
        "damage: checksum does not match",
    );
    check(
        r#"{"a":1,"crc":"ABCDEF00"}"#,
        "damage: `crc` is not eight lower-case hex digits at the end of the line",
    );
    assert_eq!(
        parse_line(b"{\"a\":\"\xff\"}").err(),
        Some(Damage::NotUtf8(6))
    );
}

#[test]
fn a_line_glued_behind_a_torn_one_is_found_at_every_cut() {
    let first = encode(&note("torn {\"seq\":1}")).expect("the event fits");
    let second = encode(&note("whole")).expect("the event fits");
    for cut in 1..first.len() {
        let glued = format!("{}{}", &first[..cut], second.trim_end());
        assert_eq!(salvage(glued.as_bytes()), Some(cut), "{glued}");
    }
    assert_eq!(salvage(second.trim_end().as_bytes()), Some(0));
}

#[test]
fn an_event_that_readers_would_not_take_is_refused() {
    let long = "x".repeat(LINE_BYTES_MAX);
    assert!(matches!(
        encode(&note(&long)),
        Err(EncodeError::TooLong { .. })
    ));
    let mut taken = note("x");
    taken.extra.push("issue", &Json::Null);
    assert_eq!(
        encode(&taken),
        Err(EncodeError::Misfit(Misfit::Taken("issue".to_owned())))
    );
    let mut deep: Draft<'_> = UnknownEvent::new("x.y")
        .map(Event::Unknown)
        .expect("unknown")
        .into();
    deep.extra.0.push((
        "a".into(),
        format!("{}{}", "[".repeat(64), "]".repeat(64)).into(),
    ));
    assert_eq!(encode(&deep), Err(EncodeError::TooDeep));
    let count = crate::event::ToolCalled {
        issue: None,
        agent: None,
        tool: "x".into(),
        success: None,
        duration_ms: None,
        error: None,
        calls: Some(COUNT_MAX + 1),
    };
    assert!(matches!(encode(&count.into()), Err(EncodeError::Misfit(_))));
}

#[test]
fn long_texts_are_cut_with_a_mark_where_that_is_wanted() {
    let long = "ü".repeat(LINE_BYTES_MAX);
    let rules = TextRules {
        cuts_long_texts: true,
        ..TextRules::default()
    };
    let mut out = Vec::new();
    encode_line(&mut out, 0, Timestamp::MIN, &note(&long), rules).expect("it is cut");
    let line = String::from_utf8(out).expect("lines are UTF-8");
    assert!(
        line.contains("ü… [1835008 bytes cut]\""),
        "{}",
        &line[line.len() - 80..]
    );
    check(line.trim_end(), "note.added sealed");
}

#[test]
fn a_draft_needs_neither_seq_nor_time() {
    let parse = |text: &str| match parse_draft(text.as_bytes()) {
        Ok(draft) => format!(
            "{} {:?} {:?}",
            draft.event.type_name(),
            draft.ts.map(|ts| ts.to_string()),
            draft.key
        ),
        Err(error) => error.to_string(),
    };
    assert_eq!(
        parse(r#"{"seq":"x","type":"run.scored","success":true,"crc":"no"}"#),
        "run.scored None None"
    );
    assert_eq!(
        parse(r#"{"type":"run.scored","success":true,"ts":"2024-12-03T14:30:22Z","key":"a"}"#),
        "run.scored Some(\"2024-12-03T14:30:22.000000Z\") Some(\"a\")"
    );
    assert_eq!(
        parse(r#"{"success":true}"#),
        "`type` is missing (want a string)"
    );
}

/// Takes each word that begins with `sk-` for a secret.
struct Words;

impl crate::redactor::Redactor for Words {
    fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if !text.contains("sk-") {
            return text.into();
        }
        let words = text.split(' ').map(|word| {
            if word.starts_with("sk-") {
                "[redacted:key]"
            } else {
                word
            }
        });
        words.collect::<Vec<_>>().join(" ").into()
    }

    fn redact_name<'t>(&self, name: &'t str) -> Cow<'t, str> {
        match name.strip_prefix("sk-") {
            Some(secret) if secret.len() == 1 => format!("[name:{secret}]").into(),
            _ => self.redact(name),
        }
    }

    fn redact_member<'t>(&self, key: &str, text: &'t str) -> Cow<'t, str> {
        match key {
            "password" => "[member]".into(),
            _ => self.redact(text),
        }
    }
}

/// Returns the line of a draft, which holds no secret, without its frame.
fn redacted(draft: &Draft<'_>) -> String {
    let mut out = Vec::new();
    let rules = TextRules {
        redactor: Some(&Words),
        cuts_long_texts: true,
    };
    encode_line(&mut out, 1, Timestamp::MIN, draft, rules).expect("the event fits");
    let line = String::from_utf8(out).expect("lines are UTF-8");
    assert!(!line.contains("sk-"), "{line}");
    assert!(
        parse_line(line.trim_end().as_bytes())
            .expect("sound")
            .content
            .is_ok(),
        "{line}"
    );
    let start = line.find("\"type\"").expect("a type");
    line[start..line.rfind(",\"crc\"").expect("sealed")].to_owned()
}

#[test]
fn no_text_from_outside_reaches_the_line_with_its_secrets() {
    let object = |text: &str| match Json::parse(text).expect("JSON") {
        Json::Object(object) => object,
        other => panic!("{other:?}"),
    };
    let mut draft: Draft<'_> = RunStarted {
        project_id: "sk-1".into(),
        llm: Some(Llm {
            provider: Some("at sk-1".into()),
            model: None,
            temperature: None,
            other: object(r#"{"sk-1":["sk-1",{"a":"sk-1","password":["x",{"y":"z"}]}]}"#),
        }),
        mode: Some("sk-1 all".into()),
        specific_issue: Some("sk-1".into()),
        config: Some(object(
            r#"{"sk-1":1,"sk-22":2,"sk-23":3,"[redacted:key]-2":4,"a":{"\u0073k-3":"\u0073k-4"}}"#,
        )),
        tags: Some(
            [
                ("sk-1".into(), "sk-2".into()),
                ("password".into(), "x".into()),
            ]
            .into(),
        ),
    }
    .into();
    draft.key = Some("sk-1".into());
    draft
        .extra
        .push("sk-1", &Json::parse(r#"["sk-1"]"#).expect("JSON"));
    let name = "[name:1]";
    let expected = format!(
        r#""type":"run.started","key":"{name}","project_id":"{name}","llm":{{"provider":"at [redacted:key]","{name}":["[redacted:key]",{{"a":"[redacted:key]","password":["[member]",{{"y":"z"}}]}}]}},"mode":"[redacted:key] all","specific_issue":"{name}","config":{{"[redacted:key]-2":4,"a":{{"[name:3]":"[redacted:key]"}},"{name}":1,"[redacted:key]":2,"[redacted:key]-3":3}},"tags":{{"password":"[member]","{name}":"[redacted:key]"}},"{name}":["[redacted:key]"]"#
    );
    assert_eq!(redacted(&draft), expected);
    let unknown = UnknownEvent::new("sk-1").expect("unknown");
    assert_eq!(
        redacted(&Event::Unknown(unknown).into()),
        format!("\"type\":\"{name}\"")
    );
    let mut debug = Draft::from_json(
        br#"{"type":"debug.attempted","issue":"sk-1","agent":"sk-1","span":"sk-1"}"#,
    );
    let debug = debug.as_mut().expect("an event");
    assert_eq!(
        redacted(debug),
        format!(r#""type":"debug.attempted","issue":"{name}","agent":"{name}","span":"{name}""#)
    );
}

#[test]
fn names_that_are_redacted_stay_apart_and_are_never_cut() {
    let key = |key: &str| {
        let mut draft = note("x");
        draft.key = Some(key.to_owned().into());
        redacted(&draft)
    };
    assert_eq!(key("sk-1"), key("sk-1"));
    assert_ne!(key("sk-1"), key("sk-2"));
    let text = "x".repeat(LINE_BYTES_MAX);
    let mut draft = note(&text);
    let long = "k".repeat(1000);
    draft.key = Some(long.clone().into());
    assert!(redacted(&draft).contains(&long));
}

#[test]
fn what_readers_would_take_for_something_else_is_refused() {
    let refused = |draft: Draft<'_>| {
        encode(&draft)
            .expect_err("a reader would not take it")
            .to_string()
    };
    for key in ["provider", "model", "temperature"] {
        let other = Object::from([(key.to_owned(), Json::Bool(true))]);
        let event = RunStarted {
            project_id: "p".into(),
            llm: Some(Llm {
                other,
                ..Llm::default()
            }),
            mode: None,
            specific_issue: None,
            config: None,
            tags: None,
        };
        assert_eq!(
            refused(event.into()),
            format!("`{key}` is a field of its own and cannot be an extra one")
        );
    }
    for alias in ISSUE_ALIASES {
        let mut draft = note("x");
        draft.extra.push(alias, &Json::parse("7").expect("JSON"));
        assert_eq!(
            refused(draft),
            format!("`{alias}` is a field of its own and cannot be an extra one")
        );
    }
}

#[test]
fn an_event_may_have_as_many_fields_as_fit() {
    let fields: Vec<String> = (0..80_000).map(|field| format!("\"k{field}\":0")).collect();
    let text = format!("{{\"type\":\"x\",{}}}", fields.join(","));
    let draft = Draft::from_json(text.as_bytes()).expect("JSON");
    encode(&draft).expect("the event fits");
}
