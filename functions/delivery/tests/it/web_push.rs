//! Notifications against a push service on this machine, and what becomes of browsers that are gone.

use std::cell::RefCell;
use std::collections::BTreeMap;

use kairos_cloud::vapid_key::VapidKey;
use kairos_delivery::messengers::Bases;
use kairos_delivery::push::Receivers;
use kairos_delivery::web_push::{Notification, Notifies, VapidKeys, WebPush};
use kairos_engine::commit::StoredUser;
use kairos_engine::event::{EventKind, FEEDBACK};
use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::{DeliveryOrder, Input, MailboxMessage};
use kairos_engine::playbook::{PushMessage, WebPushSettings};
use kairos_engine::state::UserState;
use kairos_engine::time::{Span, Timestamp};
use kairos_engine::web_push::WebPushSubscription;
use kairos_protocol::delivery::{Answer, AnswerClass};
use kairos_protocol::mailboxes::{Saved, Users};
use kairos_protocol::port::{Fault, Mailboxes};
use serde_json::json;

use crate::example_order;
use crate::receiver::{Behaviour, Received, Receiver};

const NOW: Timestamp = Timestamp::from_millis(1_795_262_401_000);

struct Key;

impl VapidKeys for Key {
    async fn current(&self, _: Timestamp) -> Result<VapidKey, Fault> {
        Ok(VapidKey::parse("a secret of more than thirty-two letters").unwrap())
    }
}

/// Some users, or a table that does not answer.
#[derive(Default)]
struct Table {
    users: BTreeMap<UserKey, UserState>,
    is_down: bool,
}

impl Users for &Table {
    async fn load(&self, users: &[UserKey]) -> Result<BTreeMap<UserKey, Result<StoredUser, Fault>>, Fault> {
        if self.is_down {
            return Err(Fault::Retryable { what: "UsersTable BatchGetItem", why: "throttled".into() });
        }
        let stored = |state: &UserState| StoredUser { state: state.clone(), revision: 1, ..StoredUser::default() };
        Ok(users.iter().filter_map(|user| Some((*user, Ok(stored(self.users.get(user)?))))).collect())
    }

    async fn save(&self, _: UserKey, _: &StoredUser, _: Option<u64>) -> Result<Saved, Fault> {
        panic!("a delivery writes no user")
    }
}

#[derive(Default)]
struct Queue(RefCell<Vec<MailboxMessage>>);

impl Mailboxes for &Queue {
    async fn send(&self, messages: &[MailboxMessage]) -> Result<(), Fault> {
        self.0.borrow_mut().extend(messages.iter().cloned());
        Ok(())
    }
}

fn browser(endpoint: &str) -> WebPushSubscription {
    let properties = json!({ "endpoint": "https://push.example/a", "keys": {
        "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "auth": "BTBZMqHH6r4Tts7J_aSIgg" } });
    let read = WebPushSubscription::read(properties.as_object().unwrap(), NOW).unwrap();
    WebPushSubscription { endpoint: endpoint.into(), ..read }
}

fn order() -> DeliveryOrder {
    DeliveryOrder { expires_at: NOW.plus(Span::from_mins(5)), ..example_order("web_push") }
}

fn message() -> PushMessage {
    PushMessage { title: "Your mug".into(), body: "is still there.".into(), ..PushMessage::default() }
}

/// What a push service that behaves like this makes of a notification, what it got, and what the user is told.
async fn notified(
    behaviour: Behaviour,
    message: &PushMessage,
    browsers: &[WebPushSubscription],
) -> (Answer, Vec<Received>, Vec<MailboxMessage>) {
    let receiver = Receiver::start(behaviour).await;
    let stand_in = Bases::stand_in(&receiver.address.to_string()).unwrap().web_push();
    let (table, queue) = (Table::default(), Queue::default());
    let push = WebPush::new(Key, Receivers::new(&table, &queue), stand_in).with_timeout(Span::from_millis(700));
    let sender = WebPushSettings { contact: "mailto:web@shop.example".into() };
    let notification = Notification { sender: &sender, message, language: "en", browsers };
    let answer = push.notify(&order(), notification, NOW).await;
    let told = queue.0.borrow().clone();
    (answer, receiver.requests(), told)
}

#[tokio::test]
async fn a_push_service_gets_a_request_of_the_standard() {
    let created = Receiver::answers("201 Created", "", "");
    let short = PushMessage { ttl: Some(Span::from_mins(1)), topic: Some("cart".into()), ..message() };
    for (message, ttl, topic) in [(message(), "300", None), (short, "60", Some("cart"))] {
        let (answer, requests, told) =
            notified(created.clone(), &message, &[browser("https://push.example/a?b=c")]).await;
        assert_eq!((answer.class, answer.code.as_str(), told.len()), (AnswerClass::Sent, "201", 0));
        let [request] = requests.as_slice() else { panic!("one call") };
        assert_eq!(request.line, "POST /web_push/push.example/a?b=c HTTP/1.1");
        let header = |name: &str| request.headers[name].as_str();
        assert_eq!((header("ttl"), header("urgency")), (ttl, "normal"));
        assert_eq!((header("content-encoding"), header("content-type")), ("aes128gcm", "application/octet-stream"));
        assert!(topic.is_none_or(|topic| header("topic") == topic) && header("topic").len() <= 32);
        assert!(header("authorization").starts_with("vapid t="));
        // Salt, size of the record, length of the key and the key come first; the rest is sealed.
        assert_eq!((&request.body[16..20], request.body[20]), (&4_096_u32.to_be_bytes()[..], 65));
        assert!(!String::from_utf8_lossy(&request.body).contains("mug"));
    }
}

#[tokio::test]
async fn what_a_push_service_says_has_its_class_and_gone_browsers_are_told_to_the_user() {
    for (behaviour, class, code, is_gone) in [
        (Receiver::answers("410 Gone", "", ""), AnswerClass::PermanentAddress, "410", true),
        (Receiver::answers("404 Not Found", "", ""), AnswerClass::PermanentAddress, "404", true),
        (Receiver::answers("413 Content Too Large", "", ""), AnswerClass::PermanentMessage, "413", false),
        (Receiver::answers("403 Forbidden", "", "BadJwtToken"), AnswerClass::Configuration, "403", false),
        (Receiver::answers("429 Too Many", "retry-after: 7\r\n", ""), AnswerClass::Retryable, "429", false),
        (Receiver::answers("503 Later", "", ""), AnswerClass::Retryable, "503", false),
        (
            Receiver::answers("307 Elsewhere", "location: http://10.0.0.1/\r\n", ""),
            AnswerClass::Configuration,
            "307",
            false,
        ),
        (Behaviour::Silent, AnswerClass::Unknown, "timeout", false),
        (Behaviour::HangsUp, AnswerClass::Unknown, "connection_lost", false),
    ] {
        let (answer, _, told) = notified(behaviour, &message(), &[browser("https://push.example/a")]).await;
        assert_eq!((answer.class, answer.code.as_str(), told.len()), (class, code, usize::from(is_gone)));
        assert_eq!(answer.retry_after_ms, (code == "429").then_some(Span::from_secs(7)));
        for message in told {
            assert_eq!(message.user(), order().user);
            let [Input::Event { event, .. }] = message.inputs() else { panic!("one event") };
            let EventKind::Track { event: name, properties } = &event.kind else { panic!("{event:?}") };
            assert_eq!((event.source.as_str(), name.as_str()), (FEEDBACK, "Web Push Subscription Expired"));
            let key = json!(browser("https://push.example/a").key());
            assert_eq!(properties["address_key"], key);
            assert!(!serde_json::to_string(&message).unwrap().contains("push.example"));
        }
    }
}

#[tokio::test]
async fn nothing_is_sent_into_our_own_network_and_such_a_browser_is_forgotten() {
    for endpoint in ["https://169.254.169.254/latest", "https://[::1]/", "http://push.example/", "https://0x7f.1/"] {
        let created = Receiver::answers("201 Created", "", "");
        let (answer, requests, told) = notified(created, &message(), &[browser(endpoint)]).await;
        assert_eq!((answer.class, answer.code.as_str()), (AnswerClass::PermanentAddress, "not_public"), "{endpoint}");
        assert_eq!((requests.len(), told.len()), (0, 1));
    }
}

#[tokio::test]
async fn the_browsers_are_those_that_are_known_when_it_is_sent_under_whatever_name() {
    let (visitor, user) = (order().user, UserKey::known("ann"));
    let with = |browsers: usize| UserState {
        web_push: vec![browser("https://push.example/a"); browsers],
        ..UserState::default()
    };
    let linked = || UserState { forwarded_to: Some(user), ..UserState::default() };
    for (users, is_down, expected) in [
        (vec![(visitor, with(2))], false, Ok(2)),
        (vec![(visitor, linked()), (user, with(1))], false, Ok(1)),
        (vec![(visitor, with(0))], false, Err((AnswerClass::PermanentAddress, "no_browser"))),
        (vec![], false, Err((AnswerClass::PermanentAddress, "no_browser"))),
        // What the visitor was known by is on its way.
        (vec![(visitor, linked())], false, Err((AnswerClass::Retryable, "no_browser"))),
        (vec![], true, Err((AnswerClass::Retryable, "users_unavailable"))),
    ] {
        let (table, queue) = (Table { users: users.into_iter().collect(), is_down }, Queue::default());
        let found = WebPush::new(Key, Receivers::new(&table, &queue), None).browsers(&order(), NOW).await;
        let found = found.map(|browsers| browsers.len()).map_err(|answer| (answer.class, answer.code));
        assert_eq!(found, expected.map_err(|(class, code)| (class, code.to_owned())));
    }
}
