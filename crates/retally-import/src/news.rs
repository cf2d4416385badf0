use retally_log::{Content, Draft, Entry, IssueId, LogError, LogReader, Redactor};
use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;

/// What identifies an event: the text of its issue, and its key.
type Scope<'a> = (Option<Cow<'a, str>>, Cow<'a, str>);

/// Returns for each event whether it is news to the log: no event of its issue bears its key, in
/// the log or before it among the events. An event without a key always is.
///
/// In the log both may stand as they are, or as the redactor leaves them. Memory grows with the
/// events, not with the log.
///
/// # Errors
/// The log cannot be read.
pub(crate) fn find_news(
    drafts: &[Draft<'_>],
    events_path: &Path,
    redactor: Option<&dyn Redactor>,
) -> Result<Vec<bool>, LogError> {
    let scopes = |draft| {
        let scope = scope(draft);
        let redacted = scope.as_ref().and_then(|scope| redacted(scope, redactor));
        scope.into_iter().chain(redacted)
    };
    let all = drafts.iter().flat_map(scopes);
    let is_known: BTreeMap<Scope<'_>, Cell<bool>> =
        all.map(|scope| (scope, Cell::new(false))).collect();
    let mut log = LogReader::open(events_path)?;
    while log.next(|entry| mark(&is_known, &entry))?.is_some() {}
    let is_news = |draft| {
        let known = scopes(draft).filter_map(|scope| is_known.get(&scope));
        !known.fold(false, |is_known, known| is_known | known.replace(true))
    };
    Ok(drafts.iter().map(is_news).collect())
}

fn scope<'d>(draft: &'d Draft<'_>) -> Option<Scope<'d>> {
    let issue = draft.event.issue();
    let issue = issue.map(|issue| Cow::Borrowed(issue.as_str()));
    draft.key.as_deref().map(|key| (issue, Cow::Borrowed(key)))
}

/// Returns what a writer leaves of a scope, where that is another.
fn redacted<'d>(scope: &Scope<'d>, redactor: Option<&dyn Redactor>) -> Option<Scope<'d>> {
    let redactor = redactor?;
    let name = |name: &str| Cow::Owned(redactor.redact_name(name).into_owned());
    let (issue, key) = scope;
    let issue = issue.as_ref().map(|issue| {
        // Written as a number.
        match IssueId::from(&**issue).is_canonical_integer() {
            true => issue.clone(),
            false => name(issue),
        }
    });
    let redacted = (issue, name(key));
    (redacted != *scope).then_some(redacted)
}

fn mark(is_known: &BTreeMap<Scope<'_>, Cell<bool>>, entry: &Entry<'_>) {
    match entry {
        Entry::Rewound => is_known.values().for_each(|known| known.set(false)),
        Entry::Stretch(_, Content::Event(logged)) => {
            let envelope = logged.envelope;
            let issue = envelope.event.issue();
            let issue = issue.map(|issue| Cow::Borrowed(issue.as_str()));
            let key = envelope.key.as_deref().map(Cow::Borrowed);
            if let Some(known) = key.and_then(|key| is_known.get(&(issue, key))) {
                known.set(true);
            }
        }
        Entry::Stretch(..) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks which of `events` are news to a log whose one segment is foreign and holds `lines`.
    fn check(lines: &[&str], events: &[&str], expected: &[bool]) {
        let folder = tempfile::tempdir().expect("a folder");
        if !lines.is_empty() {
            std::fs::write(folder.path().join("a.jsonl"), lines.join("\n") + "\n")
                .expect("the segment is written");
        }
        let drafts: Vec<_> = events
            .iter()
            .map(|text| Draft::from_json(text.as_bytes()).expect("an event"))
            .collect();
        let actual = find_news(&drafts, folder.path(), None).expect("the log is readable");
        assert_eq!(actual, expected, "{lines:?} {events:?}");
    }

    const NOTE: &str = r#"{"type":"note.added","text":"x","key":"k"}"#;
    const NOTE_OF_1: &str = r#"{"type":"note.added","text":"x","issue":1,"key":"k"}"#;
    const NOTE_OF_2: &str = r#"{"type":"note.added","text":"x","issue":2,"key":"k"}"#;
    const KEYLESS: &str = r#"{"type":"note.added","text":"x"}"#;

    #[test]
    fn all_is_news_to_an_empty_log_but_what_stands_twice() {
        check(&[], &[], &[]);
        check(&[], &[NOTE, NOTE_OF_1, NOTE_OF_2], &[true; 3]);
        check(
            &[],
            &[NOTE, NOTE_OF_1, NOTE, NOTE_OF_1],
            &[true, true, false, false],
        );
        check(&[], &[KEYLESS, KEYLESS], &[true, true]);
    }

    #[test]
    fn a_key_counts_among_the_events_of_its_issue() {
        let of_run =
            r#"{"ts":"2024-12-03T14:30:22Z","type":"run.scored","success":true,"key":"k"}"#;
        let of_1 = r#"{"ts":"2024-12-03T14:30:22Z","type":"issue.started","issue":"1","key":"k"}"#;
        let unknown = r#"{"ts":"2024-12-03T14:30:22Z","type":"x","issue_iid":2,"key":"k"}"#;
        let events = &[NOTE, NOTE_OF_1, NOTE_OF_2, KEYLESS];
        check(&[of_run], events, &[false, true, true, true]);
        check(&[of_1], events, &[true, false, true, true]);
        check(&[unknown], events, &[true, true, false, true]);
        check(
            &[of_run, of_1, of_1, unknown],
            events,
            &[false, false, false, true],
        );
    }

    #[test]
    fn a_line_that_is_no_event_knows_no_key() {
        let misfit = r#"{"ts":"2024-12-03T14:30:22Z","type":"run.scored","key":"k"}"#;
        let damage = r#"{"ts":"2024-12-03T14:30:22Z","type":"run.scored","success":true,"key":"k""#;
        check(&[misfit, damage], &[NOTE], &[true]);
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_empty_log() {
        let draft = Draft::from_json(NOTE.as_bytes()).expect("an event");
        let news = find_news(&[draft], Path::new("not/there"), None).expect("an empty log");
        assert_eq!(news, [true]);
    }
}
