//! What is sent where, in which order, and what is answered when something fails.

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use aws_lambda_events::event::lambda_function_urls::LambdaFunctionUrlRequest;
use kairos_engine::bounds::{REFUSAL_RETENTION, REFUSALS_KEPT_PER_REQUEST_MAX};
use kairos_engine::event::SHOP_SERVER;
use kairos_engine::identifiers::InputId;
use kairos_engine::mailbox::{Input, MailboxMessage};
use kairos_engine::playbook::{
    Channel, ChannelSettings, EventMatch, EventPattern, OnSiteSettings, Play, Playbook, Source, Step, Trigger,
};
use kairos_engine::time::Timestamp;
use kairos_ingest::refusals::{KeptRefusal, Refusals};
use kairos_ingest::{Handled, Ingest, Playbooks};
use kairos_protocol::port::{Clock, Fault, Mailboxes};
use serde_json::json;

use crate::support::*;

fn fault() -> Fault {
    Fault::Retryable { what: "test", why: "throttled".into() }
}

/// Whether there is a playbook.
struct Published(bool);

/// The secret of the shop's server cannot be read.
struct WithoutSecret;

impl Playbooks for WithoutSecret {
    async fn current(&self) -> Result<Arc<Playbook>, Fault> {
        Published(true).current().await
    }

    async fn server(&self, _now: Timestamp) -> Result<Source, Fault> {
        Err(fault())
    }
}

impl Playbooks for Published {
    async fn current(&self) -> Result<Arc<Playbook>, Fault> {
        let playbook = Playbook { sources: sources(), ..Playbook::default() };
        if self.0 { Ok(Arc::new(playbook)) } else { Err(fault()) }
    }

    async fn server(&self, _now: Timestamp) -> Result<Source, Fault> {
        Ok(Source { name: SHOP_SERVER.into(), write_key: "the-secret-of-the-server".into() })
    }
}

/// A queue that recognises ids, as FIFO queues do, and takes only so many messages of a call.
#[derive(Default)]
struct Queue {
    takes: RefCell<Option<usize>>,
    taken: RefCell<Vec<MailboxMessage>>,
}

impl Mailboxes for &Queue {
    async fn send(&self, messages: &[MailboxMessage]) -> Result<(), Fault> {
        let takes = self.takes.borrow_mut().take().unwrap_or(messages.len());
        let mut taken = self.taken.borrow_mut();
        for message in &messages[..takes] {
            let known: Vec<InputId> = taken.iter().map(MailboxMessage::id).collect();
            if !known.contains(&message.id()) {
                taken.push(message.clone());
            }
        }
        if takes == messages.len() { Ok(()) } else { Err(fault()) }
    }
}

#[derive(Default)]
struct Table {
    fails: bool,
    kept: RefCell<Vec<KeptRefusal>>,
}

impl Refusals for &Table {
    async fn keep(&self, refusal: &KeptRefusal) -> Result<(), Fault> {
        if self.fails {
            return Err(fault());
        }
        self.kept.borrow_mut().push(refusal.clone());
        Ok(())
    }
}

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        at(RECEIVED)
    }

    async fn sleep_until(&self, _time: Timestamp) {}
}

/// None of the ports above ever waits.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("waits for something"),
    }
}

fn handle(queue: &Queue, table: &Table, request: &LambdaFunctionUrlRequest) -> Handled {
    ready(Ingest::new(Published(true), queue, table, Noon).handle(request))
}

fn counted(handled: &Handled, name: &str) -> usize {
    handled.counts.iter().filter(|(counted, _)| *counted == name).map(|(_, how_many)| how_many).sum()
}

fn batch_of(users: usize, broken: usize) -> LambdaFunctionUrlRequest {
    let good = (0..users).map(|n| json!({"type": "page", "userId": n, "messageId": n}));
    let events: Vec<_> = good.chain((0..broken).map(|n| json!({"type": "page", "n": n}))).collect();
    post("/v1/batch", &[("authorization", BASIC)], &json!({ "batch": events }))
}

#[test]
fn what_the_queue_has_is_answered_with_success() {
    let (queue, table) = (Queue::default(), Table::default());
    let handled = handle(&queue, &table, &batch_of(3, 0));
    assert_eq!((handled.response.status_code, json_of(&handled.response)), (200, json!({"success": true})));
    assert_eq!(queue.taken.borrow().len(), 3);
    // Each is counted by `decide`, with its outcome.
    assert!(handled.counts.iter().all(|(_, how_many)| *how_many == 0), "{:?}", handled.counts);
}

/// A playbook in which page views lead to messages on the page.
struct WithMessages;

impl Playbooks for WithMessages {
    async fn current(&self) -> Result<Arc<Playbook>, Fault> {
        let send = Step::Send { message: "hello".into(), channels: vec![Channel::OnSite], order: Default::default() };
        let play = Play {
            trigger: Trigger::Event(vec![EventMatch::all(EventPattern::Page)]),
            steps: vec![send],
            ..Play::default()
        };
        let channels = ChannelSettings { on_site: Some(OnSiteSettings::default()), ..ChannelSettings::default() };
        Ok(Arc::new(Playbook { sources: sources(), channels, plays: vec![play], ..Playbook::default() }))
    }

    async fn server(&self, _now: Timestamp) -> Result<Source, Fault> {
        Err(fault())
    }
}

#[test]
fn a_page_is_told_when_there_may_soon_be_a_message_for_it() {
    let (queue, table) = (Queue::default(), Table::default());
    let ingest = Ingest::new(WithMessages, &queue, &table, Noon);
    let answer = |request: LambdaFunctionUrlRequest| json_of(&ready(ingest.handle(&request)).response);
    assert_eq!(answer(batch_of(1, 0)), json!({"success": true, "on_site": true}));
    let mixed = answer(batch_of(1, 1));
    assert_eq!((&mixed["on_site"], &mixed["accepted"]), (&json!(true), &json!(1)), "beside what was refused");
    assert_eq!(answer(batch_of(0, 1))["on_site"], json!(null), "of what is refused nothing comes");
    let other = json!({"batch": [{"type": "track", "event": "Product Viewed", "userId": "1", "messageId": "1"}]});
    assert_eq!(answer(post("/v1/batch", &[("authorization", BASIC)], &other)), json!({"success": true}));
}

#[test]
fn the_shops_server_is_known_by_its_secret_and_by_no_other_key() {
    for (key, source) in [("the-secret-of-the-server", Some(SHOP_SERVER)), ("the-secret-of-the-serve", None)] {
        let (queue, table) = (Queue::default(), Table::default());
        let event = json!({"type": "page", "userId": 1, "messageId": 1});
        let handled = handle(&queue, &table, &post("/v1/batch", &[("x-write-key", key)], &json!({ "batch": [event] })));
        assert_eq!(handled.response.status_code == 200, source.is_some(), "{key}");
        let taken = queue.taken.borrow();
        let sources = taken.iter().flat_map(MailboxMessage::inputs).filter_map(|input| match input {
            Input::Event { event, .. } => Some(event.source.as_str()),
            _ => None,
        });
        assert_eq!(sources.collect::<Vec<_>>(), source.into_iter().collect::<Vec<_>>(), "{key}");
    }
}

#[test]
fn a_queue_that_takes_only_part_makes_the_client_retry_and_the_retry_doubles_nothing() {
    let (queue, table) = (Queue::default(), Table::default());
    *queue.takes.borrow_mut() = Some(2);
    let failed = handle(&queue, &table, &batch_of(5, 1));
    assert_eq!(
        (failed.response.status_code, json_of(&failed.response)["code"].as_str()),
        (503, Some("queue_unavailable"))
    );
    assert_eq!(header(&failed.response, "retry-after"), "5");
    assert!(table.kept.borrow().is_empty(), "what was refused is kept when the request succeeds");
    let retried = handle(&queue, &table, &batch_of(5, 1));
    assert_eq!(json_of(&retried.response)["accepted"], 5);
    assert_eq!(queue.taken.borrow().len(), 5);
    assert_eq!(table.kept.borrow().len(), 1);
}

#[test]
fn refused_events_are_kept_for_a_person_to_look_at_and_only_so_many() {
    let (queue, table) = (Queue::default(), Table::default());
    let handled = handle(&queue, &table, &batch_of(1, 40));
    assert_eq!(json_of(&handled.response)["refused"].as_array().unwrap().len(), 40);
    let kept = table.kept.borrow();
    assert_eq!(kept.len(), REFUSALS_KEPT_PER_REQUEST_MAX);
    assert_eq!((kept[0].source.as_str(), kept[0].code), ("web", "user_missing"));
    assert_eq!(kept[0].excerpt, r#"{"n":0,"type":"page"}"#);
    assert_eq!(kept[0].expires_at, at(RECEIVED).plus(REFUSAL_RETENTION).as_secs());
    assert!(kept[0].refused_at.starts_with("2026-11-21T10:00:00.000Z#"));
    assert_ne!(kept[0].refused_at, kept[1].refused_at);
    assert_eq!(counted(&handled, "refusals_kept"), REFUSALS_KEPT_PER_REQUEST_MAX);
    assert_eq!(counted(&handled, "refusals_not_kept_quota"), 40 - REFUSALS_KEPT_PER_REQUEST_MAX);
    assert_eq!((counted(&handled, "events_refused"), counted(&handled, "user_missing")), (40, 40));
}

#[test]
fn a_refusal_that_cannot_be_kept_is_counted_and_costs_the_client_nothing() {
    let (queue, table) = (Queue::default(), Table { fails: true, ..Table::default() });
    let handled = handle(&queue, &table, &batch_of(1, 2));
    assert_eq!(handled.response.status_code, 200);
    assert_eq!((counted(&handled, "refusals_kept"), counted(&handled, "refusals_not_kept_fault")), (0, 2));
}

#[test]
fn without_a_playbook_nothing_is_taken_and_preflights_still_pass() {
    let (queue, table) = (Queue::default(), Table::default());
    let ingest = Ingest::new(Published(false), &queue, &table, Noon);
    let handled = ready(ingest.handle(&batch_of(1, 0)));
    assert_eq!((handled.response.status_code, counted(&handled, "playbook_unavailable")), (503, 1));
    assert!(queue.taken.borrow().is_empty());
    assert_eq!(ready(ingest.handle(&request("OPTIONS", "/v1/t", &[]))).response.status_code, 204);
}

#[test]
fn an_empty_batch_asks_nothing_of_the_queue() {
    let (queue, table) = (Queue::default(), Table::default());
    *queue.takes.borrow_mut() = Some(7);
    assert_eq!(handle(&queue, &table, &batch_of(0, 0)).response.status_code, 200);
    assert_eq!(*queue.takes.borrow(), Some(7));
}

#[test]
fn what_may_be_the_shops_server_is_asked_to_send_again_while_its_secret_cannot_be_read() {
    let (queue, table) = (Queue::default(), Table::default());
    let batch = json!({"batch": [{"type": "page", "userId": 1, "messageId": 1}]});
    let ingest = Ingest::new(WithoutSecret, &queue, &table, Noon);
    let handled = ready(ingest.handle(&post("/v1/batch", &[("x-write-key", "the-secret-of-the-server")], &batch)));
    assert_eq!((handled.response.status_code, counted(&handled, "server_key_unavailable")), (503, 1));
    assert!(handled.response.headers.contains_key("retry-after"));
    assert!(queue.taken.borrow().is_empty());
    let handled = ready(ingest.handle(&batch_of(1, 0)));
    assert_eq!(handled.response.status_code, 200, "sources of the playbook need no secret");
}
