use super::*;
use std::collections::BTreeMap;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use kairos_engine::event_name::EventName;
use kairos_engine::playbook::{Condition, EventMatch, EventPattern, LocalizedMessage, Segment, SmsTemplate};
use kairos_engine::register::Register;
use kairos_engine::time::Span;

/// A store whose table nobody answers for.
fn unreachable() -> PlaybookStore {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
        .endpoint_url("http://127.0.0.1:1")
        .http_client(crate::https::http_client())
        .retry_config(RetryConfig::disabled())
        .build();
    PlaybookStore::new(Client::from_conf(config), "playbook".into())
}

fn published(playbook: &Arc<Playbook>) -> Published {
    Published { playbook: Arc::clone(playbook), published_at: "now".into() }
}

#[tokio::test]
async fn while_the_table_does_not_answer_the_playbook_known_is_asked_for_anew_only_now_and_then() {
    let store = unreachable();
    let known = Arc::new(Playbook::default());
    let stale = SystemClock.now().minus(PLAYBOOK_REFRESH).minus(Span::from_secs(1));
    store.cached(|cache| cache.whole = Some((stale, published(&known))));
    assert!(Arc::ptr_eq(&store.in_force().await.unwrap(), &known));
    let asked_at = store.cached(|cache| cache.whole.as_ref().map(|(asked_at, _)| *asked_at));
    assert!(asked_at.is_some_and(|asked_at| asked_at > stale), "the next request must not wait for it again");
}

/// A playbook in force that watches purchases and views, at least so many of them.
fn watching(views: u32, since: &[(&Register, Timestamp)]) -> Program {
    let did = |event: EventName, at_least| Condition::Did {
        of: vec![EventMatch { event: EventPattern::Track(event), filters: Vec::new() }],
        at_least,
        within: Some(Span::from_hours(24)),
        same: None,
    };
    let segment = |name: &str, who| Segment { name: name.into(), title: name.into(), who };
    Program::new(Playbook {
        segments: vec![
            segment("viewers", did(EventName::ProductViewed, views)),
            segment("buyers", did(EventName::OrderCompleted, 2)),
        ],
        watched_since: since.iter().map(|(register, since)| (register.watch_key(), *since)).collect(),
        ..Playbook::default()
    })
    .unwrap()
}

#[test]
fn what_is_watched_anew_is_watched_since_its_publication_and_what_was_watched_since_it_was() {
    let at = |day: i64| Timestamp::from_millis(1_763_726_400_000).plus(Span::from_hours(24 * day));
    let first = watching(2, &[]);
    let of_first: Vec<_> = first.registers().to_vec();
    assert!(Before::Nothing.watched_since(&of_first, at(0)).is_empty(), "from the beginning");

    // Three views are more than was kept for two; the purchases were there from the beginning.
    let second = watching(3, &[]);
    let widened: Vec<_> = second.registers().iter().filter(|register| !of_first.contains(register)).collect();
    assert_eq!(widened.len(), 1);
    let before = Before::Known { program: Box::new(first), since: None };
    let since = before.watched_since(second.registers(), at(1));
    assert_eq!(since, BTreeMap::from([(widened[0].watch_key(), at(1))]));

    let second = watching(3, &[(widened[0], at(1))]);
    let third = watching(2, &[]);
    let before = Before::Known { program: Box::new(second.clone()), since: None };
    assert_eq!(before.watched_since(second.registers(), at(2)), since, "nothing new");
    let narrowed = before.watched_since(third.registers(), at(2));
    assert_eq!(narrowed.values().collect::<Vec<_>>(), [&at(2)], "of what is kept otherwise nothing is claimed");

    let all = Before::Unreadable.watched_since(third.registers(), at(3));
    assert_eq!(all.len(), third.registers().len(), "nothing is claimed for what nobody can read");
}

#[test]
fn segments_that_are_gone_are_named_until_they_come_back() {
    let playbook = |names: &[&str], retired: &[&str]| Playbook {
        segments: names.iter().map(|name| Segment { name: (*name).into(), ..nobody() }).collect(),
        retired_segments: retired.iter().map(|name| (*name).into()).collect(),
        ..Playbook::default()
    };
    for (before, retired, next, named) in [
        (&["loyal", "new"][..], &[][..], &["loyal"][..], &["new"][..]),
        (&["loyal"], &["new"], &[], &["new", "loyal"]),
        (&[], &["new", "loyal"], &["new"], &["loyal"]),
    ] {
        let program = Box::new(Program::new(playbook(before, retired)).unwrap());
        let before = Before::Known { program, since: None };
        assert_eq!(before.retired_segments(&playbook(next, &[])), named);
    }
    assert!(Before::Nothing.retired_segments(&playbook(&["new"], &[])).is_empty());
}

/// A segment nobody is in.
fn nobody() -> Segment {
    Segment { name: "nobody".into(), title: "Nobody".into(), who: Condition::Any(Vec::new()) }
}

#[test]
fn a_program_counts_as_in_force_until_another_one_comes_between() {
    let (one, other) = (watching(2, &[]), watching(3, &[]));
    let (since, now) = (Timestamp::from_millis(1_000), Timestamp::from_millis(2_000));
    let before = Before::Known { program: Box::new(one.clone()), since: Some(since) };
    assert_eq!(before.program_since(&one, now), since);
    assert_eq!(before.program_since(&other, now), now);
    assert_eq!(Before::Nothing.program_since(&one, now), now);
}

#[tokio::test]
async fn while_the_one_published_cannot_run_the_one_known_stays_in_force() {
    let store = unreachable();
    let broken = Playbook {
        version: PlaybookVersion("broken".into()),
        segments: vec![Segment {
            name: "nobody".into(),
            title: "Nobody".into(),
            who: Condition::Segment("missing".into()),
        }],
        ..Playbook::default()
    };
    let known = Arc::new(watching(2, &[]));
    store.cached(|cache| cache.outline = Some((SystemClock.now(), published(&Arc::new(broken)))));
    let error = store.current().await.unwrap_err().to_string();
    assert!(error.contains("cannot run"), "{error}");
    store.cached(|cache| cache.program = Some(("before".into(), Arc::clone(&known))));
    assert!(Arc::ptr_eq(&store.current().await.unwrap(), &known));
}

/// A table of playbooks in memory, and what was asked of it.
fn table_and_calls() -> (PlaybookStore, Arc<Mutex<Vec<String>>>) {
    let items = Mutex::new(std::collections::BTreeMap::<String, serde_json::Value>::new());
    let calls = Arc::new(Mutex::new(Vec::new()));
    let asked = Arc::clone(&calls);
    let client = crate::stand_in::client(move |call: &crate::stand_in::Call| {
        let mut items = items.lock().unwrap();
        let name = |key: &serde_json::Value| key["name"]["S"].as_str().unwrap().to_owned();
        let (answer, of) = match call.operation.as_str() {
            "GetItem" => {
                let name = name(&call.body["Key"]);
                let answer = items.get(&name).map(|item| serde_json::json!({ "Item": item }));
                (answer.unwrap_or_else(|| serde_json::json!({})), name)
            }
            "BatchGetItem" => {
                let keys = call.body["RequestItems"]["playbook"]["Keys"].as_array().unwrap();
                let found: Vec<_> = keys.iter().filter_map(|key| items.get(&name(key)).cloned()).collect();
                let names: Vec<_> = keys.iter().map(name).collect();
                (serde_json::json!({ "Responses": { "playbook": found } }), names.join("+"))
            }
            "PutItem" => {
                let item = call.body["Item"].clone();
                let name = name(&item);
                let condition = &call.body["ExpressionAttributeValues"];
                let is_other = |known: &serde_json::Value| {
                    let published_at = &known["published_at"];
                    condition.as_object().is_some_and(|values| values.values().all(|value| value != published_at))
                };
                let known = items.get(&name).cloned().unwrap_or_default();
                if !is_other(&known) {
                    items.insert(name.clone(), item);
                }
                (serde_json::json!({}), name)
            }
            other => panic!("{other} is not asked for"),
        };
        asked.lock().unwrap().push(format!("{} {of}", call.operation));
        answer
    });
    (PlaybookStore::new(client, "playbook".into()), calls)
}

fn table() -> PlaybookStore {
    table_and_calls().0
}

fn version(name: &str, views: u32) -> Playbook {
    Playbook { version: PlaybookVersion(name.into()), ..watching(views, &[]).playbook().clone() }
}

#[tokio::test]
async fn what_was_in_force_is_told_and_can_be_put_in_force_again() {
    let store = table();
    assert!(store.history().await.unwrap().is_empty());
    store.publish(&version("v1", 2)).await.unwrap();
    store.publish_checked(&version("v2", 3), &["doubtful".into(), "x".repeat(WARNING_BYTES_MAX + 1)]).await.unwrap();
    let history = store.history().await.unwrap();
    let names = |history: &[PastPublication]| -> Vec<String> {
        history.iter().map(|past| format!("{}{}", past.version, if past.rolled_back { " again" } else { "" })).collect()
    };
    assert_eq!(names(&history), ["v2", "v1"]);
    let warnings = store.warnings(&history[0].version).await.unwrap().unwrap();
    assert_eq!((warnings[0].as_str(), warnings[1].len()), ("doubtful", WARNING_BYTES_MAX));
    assert_eq!(store.warnings(&history[1].version).await.unwrap(), None);

    // Somebody who saw another one in force replaces nothing.
    let refused = store.roll_back(&history[1].version, &history[1].published_at).await.unwrap_err().to_string();
    assert!(refused.contains("somebody else"), "{refused}");
    let missing = store.roll_back(&PlaybookVersion("v0".into()), &history[0].published_at).await.unwrap_err();
    assert!(missing.to_string().contains("not in the table"), "{missing}");
    assert_eq!(store.pointer().await.unwrap().unwrap().version.to_string(), "v2");

    let publication = store.roll_back(&history[1].version, &history[0].published_at).await.unwrap();
    assert!(publication.watches_anew, "users are brought to it as to a new one");
    assert_eq!(names(&store.history().await.unwrap()), ["v1 again", "v2", "v1"]);
    assert_eq!(store.pointer().await.unwrap().unwrap().version.to_string(), "v1");
}

#[tokio::test]
async fn the_history_keeps_the_newest_and_begins_with_what_an_earlier_kairos_has_published() {
    let store = table();
    store.put("version#v0".into(), [("playbook", serde_json::to_string(&version("v0", 2)).unwrap())]).await.unwrap();
    store.put(CURRENT.into(), [("version", "v0".into()), ("published_at", "before".into())]).await.unwrap();
    store.publish(&version("v1", 2)).await.unwrap();
    let history = store.history().await.unwrap();
    assert_eq!((history.len(), history[1].published_at.as_str()), (2, "before"));
    for number in 0..PUBLICATIONS_KEPT_MAX {
        store.publish(&version(&format!("version-{number:08}"), 2)).await.unwrap();
    }
    assert_eq!(store.history().await.unwrap().len(), PUBLICATIONS_KEPT_MAX);
    let pointer = store.get(CURRENT.into()).await.unwrap().unwrap();
    let bytes: usize = pointer.iter().map(|(name, value)| name.len() + value.as_s().unwrap().len()).sum();
    assert!(bytes < 4 * 1024, "{bytes} bytes are more than one read unit");
}

/// A version with messages of these names, each of which says its name.
fn saying(name: &str, messages: &[&str]) -> Playbook {
    let message = |name: &&str| {
        let sms = Some(SmsTemplate { text: format!("{name} {{{{ viewed }}}}") });
        let locales = BTreeMap::from([("en".to_owned(), LocalizedMessage { sms, ..LocalizedMessage::default() })]);
        ((*name).to_owned(), Message { default_locale: "en".into(), locales, ..Message::default() })
    };
    Playbook { messages: messages.iter().map(message).collect(), ..version(name, 2) }
}

/// A store of its own for the same table, as another process has it.
fn another(store: &PlaybookStore) -> PlaybookStore {
    PlaybookStore::new(store.client.clone(), store.table.clone())
}

#[tokio::test]
async fn what_decides_reads_an_outline_in_one_call_and_what_sends_reads_a_message_when_it_is_needed() {
    let (store, calls) = table_and_calls();
    let called = || std::mem::take(&mut *calls.lock().unwrap());
    let playbook = saying("v1", &["hello", "bye"]);
    store.publish(&playbook).await.unwrap();
    called();

    let decides = another(&store);
    let program = decides.current().await.unwrap();
    assert_eq!(called(), ["BatchGetItem current+outline"]);
    let whole = Program::new(playbook.clone()).unwrap();
    assert_eq!((program.fingerprint(), program.playbook()), (whole.fingerprint(), &playbook.outline()));

    let takes = another(&store);
    takes.fetch().await;
    assert_eq!(called(), ["BatchGetItem current+outline"]);
    assert_eq!(*takes.outline().await.unwrap(), playbook.outline());
    assert!(called().is_empty(), "it was fetched ahead");
    takes.cached(|cache| cache.outline = None);
    takes.outline().await.unwrap();
    assert_eq!(called(), ["BatchGetItem current+outline"], "what was fetched counts once");
    takes.cached(|cache| cache.outline = None);
    takes.fetch().await;
    takes.cached(|cache| {
        if let Some((at, _)) = &mut cache.fetched {
            *at = at.minus(PLAYBOOK_REFRESH);
        }
    });
    called();
    takes.outline().await.unwrap();
    assert_eq!(called(), ["BatchGetItem current+outline"], "a process that was frozen meanwhile asks again");

    let sends = another(&store);
    sends.outline().await.unwrap();
    called();
    let (version, message) = (&playbook.version, "hello");
    let both = futures_util::future::join(sends.with_message(version, message), sends.with_message(version, message));
    let (one, other) = both.await;
    assert_eq!(called(), ["GetItem message#v1#hello"], "once, however many wait for it");
    assert!(Arc::ptr_eq(&one.unwrap(), &other.unwrap()));
    let filled = sends.with_message(version, "bye").await.unwrap();
    assert_eq!(filled.messages, playbook.messages);
    assert_eq!(called(), ["GetItem message#v1#bye"]);

    // A message that is not there may be in the version; whole, it answers for all further ones.
    assert_eq!(*sends.with_message(version, "nobody").await.unwrap(), playbook);
    assert_eq!(*sends.with_message(version, "hello").await.unwrap(), playbook);
    assert_eq!(called(), ["GetItem message#v1#nobody", "GetItem version#v1"]);

    // What was decided before the playbook was replaced is sent as it was decided.
    store.publish(&saying("v2", &["hello"])).await.unwrap();
    called();
    let late = another(&store);
    assert_eq!(late.with_message(version, "bye").await.unwrap().messages["bye"], playbook.messages["bye"]);
    assert_eq!(called(), ["BatchGetItem current+outline", "GetItem version#v1"]);
}

#[tokio::test]
async fn an_outline_that_is_missing_or_of_another_publication_is_made_up_for_by_the_version() {
    let (store, calls) = table_and_calls();
    let playbook = saying("v1", &["hello"]);
    let body = serde_json::to_string(&playbook).unwrap();
    store.put("version#v1".into(), [("playbook", body), ("published_at", "before".into())]).await.unwrap();
    store.put(CURRENT.into(), [("version", "v1".into()), ("published_at", "before".into())]).await.unwrap();
    for outline in [None, Some("another"), Some("before")] {
        if let Some(published_at) = outline {
            let attributes = [("outline", "{".to_owned()), ("published_at", published_at.to_owned())];
            store.put(OUTLINE.into(), attributes).await.unwrap();
        }
        let reads = another(&store);
        calls.lock().unwrap().clear();
        assert_eq!(*reads.outline().await.unwrap(), playbook, "{outline:?}");
        assert_eq!(*reads.with_message(&playbook.version, "hello").await.unwrap(), playbook);
        assert_eq!(*calls.lock().unwrap(), ["BatchGetItem current+outline", "GetItem version#v1"]);
    }
}

#[tokio::test]
async fn what_the_archive_has_told_of_registers_stands_in_the_outline_too() {
    let store = table();
    store.publish(&version("v1", 2)).await.unwrap();
    store.publish(&version("v2", 3)).await.unwrap();
    let watched: Vec<String> = another(&store).outline().await.unwrap().watched_since.keys().cloned().collect();
    assert_eq!(watched.len(), 1);
    store.note_recollected(&PlaybookVersion("v2".into()), &watched, None).await.unwrap();
    let read = another(&store);
    assert!(read.outline().await.unwrap().watched_since.is_empty());
    assert!(read.in_force().await.unwrap().watched_since.is_empty());
}
