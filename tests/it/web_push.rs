//! Notifications in browsers: a page tells of its browser, push services get what only that browser can read, and say when
//! it is gone. They are played by a server that speaks and fails as RFC 8030 has it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kairos_engine::event_name::EventName;
use kairos_engine::playbook::{
    Channel, ChannelSettings, EventMatch, EventPattern, LinkSettings, LocalizedMessage, Message, MobilePushSettings,
    Play, Playbook, PlaybookVersion, PushMessage, Step, Trigger, Urgency, WebPushSettings,
};
use kairos_engine::time::Span;
use kairos_protocol::delivery::{AnswerClass, DeliveryRecord, Status};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::clients::{clients, output, skipped};
use crate::harness::messengers::{Messengers, Mood};
use crate::harness::shopper::now;
use crate::harness::{PATIENCE, Shopper, Stage, eventually, playbook, root, run};

/// What makes the play write.
const ASKED: &str = "Bell Rung";
/// What makes the play write to the app.
const PHONED: &str = "Phone Rung";
/// The platform application of SNS that delivery may use.
const APPLICATION: &str = "arn:aws:sns:us-east-1:000000000000:app/GCM/shop";
/// The keys of the browser of RFC 8291, section 5.
const PRIVATE: &str = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94";
const P256DH: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";
const CHROME: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36";

/// The playbook of these tests: whoever rings gets a notification.
pub(crate) fn with_notifications(webhook_url: &str) -> Playbook {
    let message = PushMessage {
        title: "{{ user.first_name | default: 'Hello' }}".into(),
        body: "Your {{ product.name }} is still there.".into(),
        image: Some("{{ product.image_url }}".into()),
        icon: None,
        url: Some("{{ product.url }}".into()),
        urgency: Urgency::High,
        ttl: Some(Span::from_mins(10)),
        topic: None,
    };
    let mobile_push = Some(message.clone());
    let templates = LocalizedMessage { web_push: Some(message), mobile_push, ..LocalizedMessage::default() };
    let rung = EventMatch::all(EventPattern::Track(EventName::Custom(ASKED.into())));
    Playbook {
        version: PlaybookVersion("tests-web-push".into()),
        sources: playbook::playbook(webhook_url).sources,
        channels: ChannelSettings {
            web_push: Some(WebPushSettings { contact: "mailto:web@shop.example".into() }),
            mobile_push: Some(MobilePushSettings { fcm: Some(APPLICATION.into()), ..MobilePushSettings::default() }),
            ..ChannelSettings::default()
        },
        plays: vec![
            Play {
                name: "phone".into(),
                title: "Phone".into(),
                trigger: Trigger::Event(vec![EventMatch::all(EventPattern::Track(EventName::Custom(PHONED.into())))]),
                valid_for: Span::from_hours(1),
                steps: vec![Step::Send {
                    message: "bell".into(),
                    channels: vec![Channel::MobilePush],
                    order: Default::default(),
                }],
                ..Play::default()
            },
            Play {
                name: "bell".into(),
                title: "Bell".into(),
                trigger: Trigger::Event(vec![rung]),
                valid_for: Span::from_hours(1),
                steps: vec![Step::Send {
                    message: "bell".into(),
                    channels: vec![Channel::WebPush],
                    order: Default::default(),
                }],
                ..Play::default()
            },
        ],
        messages: BTreeMap::from([(
            "bell".to_owned(),
            Message {
                default_locale: "en".into(),
                locales: [("en".to_owned(), templates)].into(),
                ..Message::default()
            },
        )]),
        links: Some(LinkSettings {
            hosts: vec!["shop.example".into()],
            domain: None,
            fallback: None,
            expires_after: Span::from_hours(24),
            opens: false,
            utm: None,
            banner_parameter: None,
            destinations: BTreeMap::new(),
        }),
        ..Playbook::default()
    }
}

fn endpoint(shopper: &Shopper, browser: &str) -> String {
    format!("https://push.example/send/{}/{browser}", shopper.user_id)
}

fn subscribes(shopper: &Shopper, browser: &str) -> Value {
    let keys = json!({ "p256dh": P256DH, "auth": AUTH });
    let properties = json!({ "endpoint": endpoint(shopper, browser), "expirationTime": null, "keys": keys });
    shopper.track(now(), "Web Push Subscribed", properties)
}

fn rings(shopper: &Shopper) -> Value {
    let mug = json!({ "product_id": "mug-1", "name": "Mug <7>", "price": 4.5, "currency": "EUR",
        "image_url": "https://shop.example/mug.jpg", "url": "https://shop.example/mug?a=1&b=2" });
    shopper.track(now(), ASKED, mug)
}

impl Stage {
    fn push_services(&self) -> &Messengers {
        self.messengers.as_ref().unwrap()
    }

    /// The one message to a user, once it has come to such an end.
    async fn rung(&self, shopper: &Shopper, what: &str, is_it: impl Fn(&DeliveryRecord) -> bool) -> DeliveryRecord {
        eventually(format!("the notification to {} {what}", shopper.user_id), PATIENCE, async || {
            match self.deliveries(shopper.key()).await.as_slice() {
                [Some(record)] if is_it(record) => Ok(record.clone()),
                found => Err(format!("{found:#?}\nstored: {:#?}", self.stored(shopper.key()).await)),
            }
        })
        .await
    }

    async fn browsers_are(&self, shopper: &Shopper, browsers: &[&str]) {
        let wanted: Vec<String> = browsers.iter().map(|browser| endpoint(shopper, browser)).collect();
        self.stored_when(shopper.key(), "only these browsers are known", |stored| {
            stored.state.web_push.iter().map(|browser| &browser.endpoint).eq(&wanted)
        })
        .await;
    }
}

fn is(status: Status) -> impl Fn(&DeliveryRecord) -> bool {
    move |record| record.status == status
}

#[test]
fn a_browser_gets_what_only_it_can_read_and_its_link_counts() {
    run(async {
        let stage = Stage::web_push().await;
        let ann = Shopper::new("push");
        let name = json!({ "firstName": "Ann <b>" });
        stage.accept(&[ann.identifies(now(), name), subscribes(&ann, "a"), subscribes(&ann, "gone")]).await;
        stage.push_services().will(&endpoint(&ann, "gone"), &[Mood::Blocked]);
        stage.accept(&[rings(&ann)]).await;
        let record = stage.rung(&ann, "is sent", is(Status::Sent)).await;
        let answer = record.answer.unwrap();
        assert_eq!((answer.code.as_str(), answer.detail.as_deref()), ("201", Some("1 of 2 browsers; 410")));
        assert_eq!(
            (record.subject.as_deref(), record.text.as_deref()),
            (Some("Ann <b>"), Some("Your Mug <7> is still there."))
        );
        assert_eq!(record.address, ann.user_id, "where the browsers are stands in no record");
        // The browser that is gone is forgotten.
        stage.browsers_are(&ann, &["a"]).await;

        let [sent] = stage.push_services().pushed(&endpoint(&ann, "a")).try_into().unwrap();
        let header = |name: &str| sent.headers[name].as_str();
        assert_eq!((header("ttl"), header("urgency"), header("topic").len()), ("600", "high", 32));
        assert!(!String::from_utf8_lossy(&sent.body).contains("Mug"));

        let python = root().join(".local/clients/bin/python3");
        if !python.is_file() {
            return skipped(
                "the notification",
                "Python's http_ece is not installed; `make test` installs it into .local/clients",
            );
        }
        let given = json!({ "key": PRIVATE, "auth": AUTH, "body": URL_SAFE_NO_PAD.encode(&sent.body),
            "authorization": header("authorization"), "audience": "https://push.example" });
        let script = clients().join("web_push_client.py");
        let read = output(Command::new(&python).arg(script).arg(given.to_string())).await;
        let read: Value = serde_json::from_str(&read).unwrap();
        let content = &read["content"];
        let link = content["url"].as_str().unwrap().to_owned();
        let expected = json!({ "id": record.delivery, "tag": header("topic"), "lang": "en", "title": "Ann <b>",
            "body": "Your Mug <7> is still there.", "image": "https://shop.example/mug.jpg", "url": link });
        assert_eq!(content, &expected);
        assert_eq!(read["claims"]["sub"], "mailto:web@shop.example");
        let left = read["claims"]["exp"].as_i64().unwrap() - now().as_secs();
        assert!((0..=12 * 60 * 60).contains(&left), "{left}");

        // Pages subscribe with the very key that signs.
        let url = format!("{}/v1/push/key", stage.stack.function_url("InboxUrl").unwrap());
        let key = stage.send(stage.http.get(url)).await;
        assert_eq!((key.status, &key.body["publicKey"]), (200, &read["public_key"]));
        assert_eq!(key.headers["cache-control"], "public, max-age=3600");

        // A click on it is a click on the message.
        let led = stage.follow(stage.path_of(&link), CHROME).await;
        assert_eq!((led.status, led.to.as_str()), (302, "https://shop.example/mug?a=1&b=2"));
        stage.stored_when(ann.key(), "the click is told", |stored| stored.state.clock > record.sent_at.unwrap()).await;
    });
}

#[test]
fn push_services_fail_as_documented() {
    run(async {
        let stage = Stage::web_push().await;
        let services = stage.push_services();

        // "Too many" is waited for, and costs nobody a message.
        let ben = Shopper::new("push-limited");
        services.will(&endpoint(&ben, "a"), &[Mood::Limited]);
        stage.accept(&[subscribes(&ben, "a"), rings(&ben)]).await;
        let record = stage.rung(&ben, "is sent at last", is(Status::Sent)).await;
        assert_eq!((services.pushed(&endpoint(&ben, "a")).len(), record.attempts), (1, 2), "{record:#?}");

        // Whose only browser is gone is not written to again.
        let cleo = Shopper::new("push-gone");
        services.will(&endpoint(&cleo, "a"), &[Mood::Blocked]);
        stage.accept(&[subscribes(&cleo, "a"), rings(&cleo)]).await;
        let record = stage.rung(&cleo, "is refused", is(Status::Refused)).await;
        let answer = record.answer.unwrap();
        assert_eq!((answer.class, answer.code.as_str()), (AnswerClass::PermanentAddress, "410"));
        stage.browsers_are(&cleo, &[]).await;

        // What was perhaps taken is sent again, with the same topic.
        let dora = Shopper::new("push-doubtful");
        services.will(&endpoint(&dora, "a"), &[Mood::TakesAndHangsUp]);
        stage.accept(&[subscribes(&dora, "a"), rings(&dora)]).await;
        let record = stage.rung(&dora, "is sent for certain", is(Status::Sent)).await;
        assert!(record.doubtful && record.attempts == 2, "{record:#?}");
        let [first, second] = services.pushed(&endpoint(&dora, "a")).try_into().unwrap();
        assert_eq!(first.headers["topic"], second.headers["topic"]);
        assert_ne!(first.body, second.body, "each time with a key of its own");
    });
}

#[test]
fn who_refuses_notifications_gets_none_and_nobody_else_can_take_a_browser_away() {
    run(async {
        let stage = Stage::web_push().await;
        let eve = Shopper::new("push-refuses");
        let refuses = eve.track(now(), "Consent Updated", json!({ "channel": "web_push", "choice": "refused" }));
        stage.accept(&[subscribes(&eve, "a"), refuses, rings(&eve)]).await;
        let stored =
            stage.stored_when(eve.key(), "the play has looked", |stored| !stored.state.outcomes.is_empty()).await;
        assert_eq!(stored.state.outcomes[0].outcome.as_str(), "not_sent_no_consent");
        // What push services say, and what is no browser, no client may tell.
        let key = json!({ "address_key": stored.state.web_push[0].key() });
        let forged = eve.track(now(), "Web Push Subscription Expired", key);
        let mut inside = subscribes(&eve, "b");
        inside["properties"]["endpoint"] = json!("https://169.254.169.254/latest/meta-data/");
        let answer = stage.post(&[forged, inside]).await;
        let refused = answer.body["refused"].as_array().unwrap();
        let codes: Vec<_> = refused.iter().map(|one| one["code"].as_str().unwrap()).collect();
        assert_eq!(codes, ["name_reserved", "subscription_invalid"], "{}", answer.body);
        stage.browsers_are(&eve, &["a"]).await;
    });
}

#[test]
fn a_device_gets_its_notification_through_sns() {
    run(async {
        let stage = Stage::web_push().await;
        let sns = aws_sdk_sns::Client::new(&stage.config);
        let made =
            sns.create_platform_application().name("shop").platform("GCM").attributes("PlatformCredential", "key");
        let made = made.send().await.unwrap();
        assert_eq!(made.platform_application_arn(), Some(APPLICATION));
        let finn = Shopper::new("mobile");
        let mut opened = finn.track(now(), "Application Opened", json!({}));
        let token = format!("{}:APA91bH-a-token-of-some-length", finn.user_id);
        opened["context"] = json!({ "device": { "type": "android", "id": finn.user_id, "token": token } });
        let rings = finn.track(
            now(),
            PHONED,
            json!({ "product_id": "mug-1", "name": "Mug", "url": "https://shop.example/mug" }),
        );
        stage.accept(&[opened, rings]).await;
        let record = stage.rung(&finn, "is sent", is(Status::Sent)).await;
        let answer = record.answer.unwrap();
        assert_eq!((record.channel, answer.code.as_str()), (Channel::MobilePush, "accepted"));
        assert!(answer.provider_id.is_some());
        assert_eq!(record.address, finn.user_id, "tokens stand in no record");
    });
}
