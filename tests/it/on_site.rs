//! Messages on the shop's own pages: a page asks for them, shows them, and tells what became of them.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::UserKey;
use kairos_engine::playbook::{
    Channel, ChannelSettings, EventMatch, EventPattern, LinkButton, LocalizedMessage, Message, OnSiteKind,
    OnSiteMessage, OnSitePosition, OnSiteSettings, Play, Playbook, PlaybookVersion, Step, Trigger, WebhookTemplate,
};
use kairos_engine::time::Span;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::clients::{chromium, clients, node, skipped};
use crate::harness::playbook::WRITE_KEY;
use crate::harness::shopper::now;
use crate::harness::world::Answer;
use crate::harness::{PATIENCE, Shopper, Stage, eventually, playbook, root, run, spread, tell};

/// How many visitors are about to leave.
const VISITORS: usize = 20;
/// A browser that takes longer hangs.
const BROWSER_PATIENCE: Duration = Duration::from_secs(120);

/// The playbook of these tests: who is about to leave gets an offer on the page, and who follows it is told to the shop.
pub(crate) fn with_messages(webhook_url: &str) -> Playbook {
    let play = |name: &str, event: &str, valid_for, channels| Play {
        name: name.into(),
        title: name.into(),
        trigger: Trigger::Event(vec![EventMatch::all(EventPattern::Track(EventName::parse(event)))]),
        valid_for,
        priority: 70,
        steps: vec![Step::Send { message: name.into(), channels, order: Default::default() }],
        ..Play::default()
    };
    let shown = OnSiteMessage {
        kind: OnSiteKind::Banner,
        title: Some("Before you go{% if user.first_name %}, {{ user.first_name }}{% endif %}".into()),
        text: "Free shipping for {{ cart.items.first.name | default: 'your cart' }}.".into(),
        picture: None,
        button: Some(LinkButton { text: "To the cart".into(), link: "https://shop.example/cart".into() }),
        position: OnSitePosition::Top,
        slot: None,
        dismissible: true,
        close: None,
    };
    let message = |templates| Message {
        default_locale: "en".into(),
        locales: BTreeMap::from([("en".to_owned(), templates)]),
        ..Message::default()
    };
    let webhook = || Some(WebhookTemplate { to: Some("shop".into()), text: "It is so.".into(), body: None });
    let base = playbook::playbook(webhook_url);
    let hour = Span::from_hours(1);
    Playbook {
        version: PlaybookVersion("tests-on-site".into()),
        sources: base.sources,
        channels: ChannelSettings { on_site: Some(OnSiteSettings { verify_identity: true }), ..base.channels },
        plays: vec![
            play("offer", "Exit Intended", hour, vec![Channel::OnSite, Channel::Webhook]),
            play("brief", "Brief Moment", Span::from_secs(6), vec![Channel::OnSite]),
            play("followed", "On-site Message Clicked", hour, vec![Channel::Webhook]),
        ],
        messages: [
            (
                "offer",
                LocalizedMessage { on_site: Some(shown.clone()), webhook: webhook(), ..LocalizedMessage::default() },
            ),
            ("brief", LocalizedMessage { on_site: Some(shown), ..LocalizedMessage::default() }),
            ("followed", LocalizedMessage { webhook: webhook(), ..LocalizedMessage::default() }),
        ]
        .map(|(name, templates)| (name.to_owned(), message(templates)))
        .into(),
        ..Playbook::default()
    }
}

impl Stage {
    /// Asks the inbox as a page does.
    async fn ask_inbox(&self, path: &str, question: &Value) -> Answer {
        let url = format!("{}/v1/inbox{path}", self.stack.function_url("InboxUrl").unwrap());
        self.send(self.http.post(url).header("content-type", "text/plain;charset=UTF-8").body(question.to_string()))
            .await
    }

    /// What the inbox gives, once it gives something.
    async fn message_in_inbox(&self, question: &Value) -> Value {
        eventually("a message in the inbox", PATIENCE, async || {
            let messages = self.inbox_of(question).await;
            messages.as_array().unwrap().first().cloned().ok_or_else(|| messages.to_string())
        })
        .await
    }

    async fn inbox_of(&self, question: &Value) -> Value {
        let answer = self.ask_inbox("", question).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["messages"].clone()
    }

    /// What the shop's server makes of a user's id.
    async fn hash_of(&self, user_id: &str) -> String {
        static KEY: OnceCell<String> = OnceCell::const_new();
        let key = KEY
            .get_or_init(|| async {
                let secrets = aws_sdk_secretsmanager::Client::new(&self.config);
                let answer = secrets.get_secret_value().secret_id(self.output("InboxKeyArn")).send().await.unwrap();
                answer.secret_string().unwrap().to_owned()
            })
            .await;
        let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap().chain_update(user_id.as_bytes());
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The shopper on a page.
fn on_page(mut call: Value) -> Value {
    call["context"] = json!({"page": {"path": "/cart", "url": "https://shop.example/cart"}});
    call
}

fn question(shopper: &Shopper) -> Value {
    json!({"writeKey": WRITE_KEY, "anonymousId": shopper.anonymous_id})
}

fn with(question: &Value, more: &Value) -> Value {
    let mut question = question.clone();
    question.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    question
}

fn is_about_to_leave(shopper: &Shopper) -> Value {
    on_page(shopper.track(now(), "Exit Intended", json!({"by": "pointer"})))
}

#[test]
fn a_visitor_who_is_about_to_leave_finds_an_offer_and_what_becomes_of_it_counts_once() {
    run(async {
        let stage = Stage::on_site().await;
        let shopper = Shopper::new("on-site-visitor");
        let adds = on_page(shopper.as_visitor(shopper.adds(now(), "Mug")));
        assert_eq!(stage.post(&[adds]).await.body, json!({"success": true}), "nothing follows from that");
        let leaves = shopper.as_visitor(is_about_to_leave(&shopper));
        assert_eq!(stage.post(&[leaves]).await.body, json!({"success": true, "on_site": true}), "the page is to ask");
        let asked = question(&shopper);
        let message = stage.message_in_inbox(&asked).await;
        let left_ms = message["expires_in_ms"].as_i64().unwrap();
        assert!((3_500_000..=3_600_000).contains(&left_ms), "{left_ms}");
        let expected = json!({
            "id": message["id"], "name": "offer", "language": "en", "kind": "banner", "title": "Before you go",
            "text": "Free shipping for Mug.", "button": {"text": "To the cart", "link": "https://shop.example/cart"},
            "position": "top", "dismissible": true, "priority": 70, "expires_in_ms": left_ms, "seen": false,
        });
        assert_eq!(message, expected);
        let visitor = UserKey::anonymous(&shopper.anonymous_id);
        let [record] = stage.sent(visitor, 1).await.try_into().unwrap();
        assert_eq!((record.channel, record.address.as_str()), (Channel::OnSite, shopper.anonymous_id.as_str()));
        assert_eq!(message["id"], record.delivery.to_string());

        let report = with(&asked, &json!({"id": message["id"]}));
        for path in ["/seen", "/seen"] {
            let answer = stage.ask_inbox(path, &report).await;
            assert_eq!((answer.status, answer.body), (200, json!({"ok": true})));
        }
        let again = stage.inbox_of(&asked).await;
        assert_eq!(again[0]["seen"], true, "what was seen is still there");
        for path in ["/clicked", "/clicked", "/dismissed"] {
            assert_eq!(stage.ask_inbox(path, &report).await.status, 200);
        }
        assert_eq!(stage.inbox_of(&asked).await, json!([]), "what was followed is gone");
        // Of a click that counted twice there would be three.
        let records = stage.sent(visitor, 2).await;
        assert_eq!(records[1].play, "followed");
    });
}

#[test]
fn a_message_goes_with_its_moment_and_who_is_not_on_the_site_gets_none_there() {
    run(async {
        let stage = Stage::on_site().await;
        let shopper = Shopper::new("on-site-brief");
        let visitor = UserKey::anonymous(&shopper.anonymous_id);
        let brief = on_page(shopper.track(now(), "Brief Moment", json!({})));
        stage.post(&[shopper.as_visitor(brief)]).await;
        stage.sent(visitor, 1).await;
        eventually("the moment passes", PATIENCE, async || match stage.inbox_of(&question(&shopper)).await {
            messages if messages == json!([]) => Ok(()),
            messages => Err(messages.to_string()),
        })
        .await;
        let elsewhere = Shopper::new("on-site-elsewhere");
        stage.post(&[elsewhere.track(now(), "Exit Intended", json!({}))]).await;
        let [record] = stage.sent(elsewhere.key(), 1).await.try_into().unwrap();
        assert_eq!(record.channel, Channel::Webhook, "a server told of it");
    });
}

#[test]
fn the_messages_of_a_known_user_are_for_who_proves_to_be_that_user() {
    run(async {
        let stage = Stage::on_site().await;
        let (ann, thief) = (Shopper::new("on-site-known"), Shopper::new("on-site-thief"));
        let identify = |of: &Shopper| {
            let mut call = ann.identifies(now(), json!({"firstName": "Ann", "createdAt": "2020-01-01T00:00:00Z"}));
            call["anonymousId"] = json!(of.anonymous_id);
            call
        };
        // Whoever has the write key, which is public, can say to be Ann.
        stage.post(&[identify(&ann), identify(&thief), is_about_to_leave(&ann)]).await;
        stage.sent(ann.key(), 1).await;
        let (asked, stolen) = (question(&ann), with(&question(&thief), &json!({"userId": ann.user_id})));
        for question in [&asked, &stolen] {
            assert_eq!(stage.inbox_of(question).await, json!([]));
        }
        let wrong = with(&stolen, &json!({"userHash": stage.hash_of(&thief.user_id).await}));
        let answer = stage.ask_inbox("", &wrong).await;
        assert_eq!((answer.status, answer.body["code"].as_str()), (403, Some("user_hash_wrong")));
        let proof = json!({"userId": ann.user_id, "userHash": stage.hash_of(&ann.user_id).await});
        let message = stage.message_in_inbox(&with(&asked, &proof)).await;
        assert_eq!(message["title"], "Before you go, Ann");
        let close = json!({"id": message["id"]});
        let answer = stage.ask_inbox("/dismissed", &with(&stolen, &close)).await;
        assert_eq!((answer.status, answer.body["code"].as_str()), (404, Some("message_unknown")));
        assert_eq!(stage.inbox_of(&with(&asked, &proof)).await.as_array().unwrap().len(), 1, "nobody else closes it");
        assert_eq!(stage.ask_inbox("/dismissed", &with(&with(&asked, &proof), &close)).await.status, 200);
        assert_eq!(stage.inbox_of(&with(&asked, &proof)).await, json!([]));
    });
}

#[test]
fn what_is_wrong_with_a_question_is_said_and_any_page_may_read_it() {
    run(async {
        let stage = Stage::on_site().await;
        let shopper = Shopper::new("on-site-wrong");
        let good = question(&shopper);
        for (path, question, status, code) in [
            ("", with(&good, &json!({"writeKey": "other"})), 401, "write_key_unknown"),
            ("", json!({"writeKey": WRITE_KEY}), 400, "field_missing"),
            ("/seen", good.clone(), 400, "field_missing"),
            ("/seen", with(&good, &json!({"id": "00112233445566778899aabbccddeeff"})), 404, "message_unknown"),
            ("/opened", good.clone(), 404, "not_found"),
        ] {
            let answer = stage.ask_inbox(path, &question).await;
            assert_eq!((answer.status, answer.body["code"].as_str()), (status, Some(code)), "{}", answer.body);
            assert_eq!(answer.headers["access-control-allow-origin"], "*");
        }
        let url = format!("{}/v1/inbox", stage.stack.function_url("InboxUrl").unwrap());
        let preflight = stage.http.request(reqwest::Method::OPTIONS, &url).header("origin", "https://shop.example");
        let answer = stage.send(preflight).await;
        assert_eq!(
            (answer.status, &answer.headers["access-control-allow-methods"]),
            (204, &"GET, POST, OPTIONS".parse().unwrap())
        );
        assert_eq!(stage.send(stage.http.get(&url)).await.status, 405);
    });
}

/// What the browser saw of one visitor.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Visit {
    /// From the gesture until the offer was drawn.
    shown_after_ms: i64,
    text: String,
    asked: usize,
    said: Vec<String>,
}

#[test]
fn the_offer_comes_to_the_page_in_a_browser() {
    run(async {
        let Some(node) = node() else { return };
        let Some(chromium) = chromium() else { return };
        let built = ["kairos.min.js", "kairos-messages.min.js"];
        if !built.iter().all(|file| root().join("web/dist").join(file).is_file()) {
            return skipped("messages on pages", "kairos.js is not built; `make web` builds it, given Node 20");
        }
        let stage = Stage::on_site().await;
        let shopper = Shopper::new("on-site-browser");
        let options = json!({
            "chromium": chromium, "endpoint": stage.stack.ingest_browser_url, "writeKey": WRITE_KEY,
            "inbox": stage.stack.browser_url("InboxUrl").unwrap(), "visitor": shopper.anonymous_id, "visitors": VISITORS,
        });
        let mut command = Command::new(node);
        command.arg(clients().join("on_site.mjs")).arg(options.to_string()).stdout(Stdio::piped()).kill_on_drop(true);
        let ended = tokio::time::timeout(BROWSER_PATIENCE, command.output()).await.expect("the visits end").unwrap();
        assert!(ended.status.success(), "the visits succeed");
        let visits: Vec<Visit> = serde_json::from_slice(&ended.stdout).unwrap();
        assert_eq!(visits.len(), VISITORS);
        for visit in &visits {
            assert!(visit.text.contains("Free shipping for Teapot."), "{visit:?}");
            assert_eq!(visit.said, Vec::<String>::new(), "the console has nothing to say");
        }
        let asked: usize = visits.iter().map(|visit| visit.asked).sum();
        let after = spread(visits.iter().map(|visit| visit.shown_after_ms).collect());
        tell(format!("on the page after the gesture: {after}; {asked} questions to the inbox"));
        for number in 0..VISITORS {
            let visitor = UserKey::anonymous(&format!("{}-{number}", shopper.anonymous_id));
            let [record] = stage.sent(visitor, 1).await.try_into().unwrap();
            assert_eq!(record.channel, Channel::OnSite);
        }
    });
}
