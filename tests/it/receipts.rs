//! What comes back for messages: SES's events, and what Telegram, Viber and WhatsApp tell, signed and forged.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use kairos_engine::bounds::CALLBACK_BYTES_MAX;
use kairos_engine::consent::SuppressionReason;
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::AddressKey;
use kairos_engine::outcome::{PlayOutcome, Reason};
use kairos_engine::playbook::{
    Channel, EmailTemplate, EventMatch, EventPattern, LocalizedMessage, Message, Play, Playbook, PlaybookVersion,
    SmsProvider, SmsSettings, SmsTemplate, Step, Trigger,
};
use kairos_engine::time::{Span, Timestamp};
use kairos_protocol::delivery::{AnswerClass, DeliveryRecord, Status};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::harness::messengers::{Mood, TELEGRAM_TOKEN, VIBER_TOKEN, WHATSAPP_TOKEN};
use crate::harness::shopper::now;
use crate::harness::{PATIENCE, Shopper, Stage, eventually, playbook, run};

const TELEGRAM_SECRET: &str = "chosen-for-set-webhook_1";
const APP_SECRET: &str = "8b1a9953c4611296a827abf8c47804d7";
const VERIFY_TOKEN: &str = "chosen-for-meta";

/// The playbook of these tests: news by email or messenger, and an SMS about each that bounced or was read, by AWS End User
/// Messaging or, when that cannot, by SNS. Who asks for a text gets one.
pub(crate) fn with_receipts(webhook_url: &str) -> Playbook {
    let base = playbook::playbook(webhook_url);
    let messengers = crate::messengers::with_messengers(webhook_url);
    let play = |name: &str, event: EventName, channel: Channel| Play {
        name: name.into(),
        title: name.into(),
        trigger: Trigger::Event(vec![EventMatch::all(EventPattern::Track(event))]),
        valid_for: Span::from_hours(1),
        steps: vec![Step::Send { message: name.into(), channels: vec![channel], order: Default::default() }],
        ..Play::default()
    };
    let texts = |name: &str| LocalizedMessage {
        email: Some(EmailTemplate { subject: "News".into(), text: "News".into(), html: None }),
        sms: Some(SmsTemplate { text: format!("about {name}") }),
        ..LocalizedMessage::default()
    };
    let message = |name: &str| {
        let locales = BTreeMap::from([("en".to_owned(), texts(name))]);
        (name.to_owned(), Message { default_locale: "en".into(), locales, ..Message::default() })
    };
    let mut channels = messengers.channels;
    channels.email = base.channels.email;
    channels.sms = Some(SmsSettings {
        provider: SmsProvider::EndUserMessaging,
        fallback: Some(SmsProvider::Sns),
        origination_identity: Some("+12065550152".into()),
        configuration_set: Some("tests-sms".into()),
        max_price: Some("0.10".into()),
        ..SmsSettings::default()
    });
    let plays = [
        play("news", EventName::Custom("Wants news".into()), Channel::Email),
        play("bounced", EventName::EmailBounced, Channel::Sms),
        play("read", EventName::MessageRead, Channel::Sms),
        play("text", EventName::Custom("Wants a text".into()), Channel::Sms),
    ];
    Playbook {
        version: PlaybookVersion("tests-receipts".into()),
        channels,
        plays: messengers.plays.into_iter().chain(plays).collect(),
        messages: messengers.messages.into_iter().chain(["news", "bounced", "read", "text"].map(message)).collect(),
        ..base
    }
}

fn signature(key: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Stage {
    pub(crate) async fn receipts_with_secrets() -> &'static Self {
        static STORED: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
        let stage = Self::receipts().await;
        STORED
            .get_or_init(|| async {
                for (name, secret) in [
                    ("telegram-token", TELEGRAM_TOKEN),
                    ("viber-token", VIBER_TOKEN),
                    ("whatsapp-token", WHATSAPP_TOKEN),
                    ("telegram-webhook-secret", TELEGRAM_SECRET),
                    ("whatsapp-app-secret", APP_SECRET),
                    ("whatsapp-verify-token", VERIFY_TOKEN),
                ] {
                    stage.store_secret(name, secret).await;
                }
            })
            .await;
        stage
    }

    /// SES tells what became of an email, as its documentation writes it.
    pub(crate) async fn ses_tells(&self, event: &Value) {
        let sns = aws_sdk_sns::Client::new(&self.config);
        let topic = self.output("EmailEventsTopicArn");
        sns.publish().topic_arn(topic).message(event.to_string()).send().await.unwrap();
    }

    /// A messenger tells something with this proof; gives the answer's status.
    async fn tells(&self, path: &str, header: (&str, &str), body: String) -> u16 {
        let url = format!("{}/{path}", self.stack.function_url("CallbacksUrl").unwrap());
        let request = self.http.post(url).header("content-type", "application/json").header(header.0, header.1);
        request.body(body).send().await.expect("the Function URL answers").status().as_u16()
    }

    async fn telegram_tells(&self, update: &Value) {
        let header = ("x-telegram-bot-api-secret-token", TELEGRAM_SECRET);
        assert_eq!(self.tells("telegram", header, update.to_string()).await, 200);
    }

    async fn viber_tells(&self, callback: &Value) {
        let body = callback.to_string();
        let header = ("x-viber-content-signature", &*signature(VIBER_TOKEN, &body));
        assert_eq!(self.tells("viber", header, body).await, 200);
    }

    async fn whatsapp_tells(&self, value: &Value) {
        let body = json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [
            {"field": "messages", "value": value}]}]})
        .to_string();
        let header = ("x-hub-signature-256", &*format!("sha256={}", signature(APP_SECRET, &body)));
        assert_eq!(self.tells("whatsapp", header, body).await, 200);
    }

    /// The one message that a user was sent on a channel.
    pub(crate) async fn sent_on(&self, shopper: &Shopper, channel: Channel) -> DeliveryRecord {
        eventually(format!("a message by {channel} is sent"), PATIENCE, async || {
            let records = self.deliveries(shopper.key()).await;
            let found =
                records.iter().flatten().find(|record| record.channel == channel && record.status == Status::Sent);
            found.cloned().ok_or(format!("{records:#?}"))
        })
        .await
    }

    /// Waits until a delivery's record is as wanted.
    pub(crate) async fn noted(&self, record: &DeliveryRecord, what: &str, is_it: impl Fn(&DeliveryRecord) -> bool) {
        eventually(what, PATIENCE, async || match self.delivery(record.delivery).await {
            Some(record) if is_it(&record) => Ok(()),
            found => Err(format!("{found:#?}")),
        })
        .await;
    }

    /// Waits until an address is on the list for this reason, and its user knows; or neither.
    pub(crate) async fn dead(
        &self,
        shopper: &Shopper,
        channel: Channel,
        address: &str,
        reason: Option<SuppressionReason>,
    ) {
        let key = AddressKey::of(channel, address);
        eventually(format!("{address} is on the list: {reason:?}"), PATIENCE, async || {
            let found = self.suppressions().get(channel, key).await.map_err(|error| error.to_string())?;
            if found.as_ref().map(|found| found.reason) == reason { Ok(()) } else { Err(format!("{found:?}")) }
        })
        .await;
        self.stored_when(shopper.key(), "the user hears of it", |stored| {
            stored.state.consent.suppression(channel, address) == reason
        })
        .await;
    }

    /// Waits until nothing that has come back is left to be taken.
    async fn all_taken(&self) {
        eventually("all that came back is taken", PATIENCE, async || {
            let depth = self.depth("FeedbackQueueUrl").await;
            if depth.0 == 0 { Ok(()) } else { Err(format!("{depth:?}")) }
        })
        .await;
        assert_eq!(self.depth("FeedbackDeadLettersUrl").await.0, 0);
    }

    async fn asks_for(&self, shopper: &Shopper, traits: Value) {
        let mug = json!({"product_id": "mug-1", "name": "Mug", "url": "https://shop.example/mug"});
        self.accept(&[shopper.identifies(now(), traits), shopper.track(now(), "Chat Asked", mug)]).await;
    }
}

/// An event of SES about an email of ours.
fn ses(kind: &str, record: &DeliveryRecord, more: Value) -> Value {
    let mut event = json!({
        "eventType": kind,
        "mail": {"timestamp": now().to_string(), "source": "hello@shop.example", "destination": [record.address],
            "messageId": record.answer.as_ref().unwrap().provider_id, "tags": {"delivery": [record.delivery]}},
    });
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event
}

pub(crate) fn bounce(record: &DeliveryRecord, kind: &str) -> Value {
    let to = json!([{"emailAddress": record.address, "action": "failed", "status": "5.1.1"}]);
    ses(
        "Bounce",
        record,
        json!({"bounce": {"bounceType": kind, "bounceSubType": "General", "bouncedRecipients": to,
        "timestamp": now().to_string(), "feedbackId": "f-1"}}),
    )
}

#[test]
fn what_ses_tells_is_noted_and_a_bounce_ends_emails_and_takes_another_channel() {
    run(async {
        let stage = Stage::receipts_with_secrets().await;
        let ann = Shopper::new("bounces");
        let traits = json!({"email": ann.email, "phone": ann.phone, "createdAt": "2020-01-01T00:00:00Z"});
        stage.accept(&[ann.identifies(now(), traits), ann.track(now(), "Wants news", json!({}))]).await;
        let email = stage.sent_on(&ann, Channel::Email).await;

        stage.ses_tells(&ses("Send", &email, json!({"send": {}}))).await;
        stage.ses_tells(&bounce(&email, "Transient")).await;
        stage.noted(&email, "it has come back for now", |record| record.receipts.bounced_at.is_some()).await;
        stage.ses_tells(&ses("Delivery", &email, json!({"delivery": {"timestamp": now().to_string()}}))).await;
        stage.noted(&email, "it has arrived", |record| record.receipts.delivered_at.is_some()).await;
        // Nobody asks for deliveries, and what comes back for now is no reason.
        assert_eq!(stage.stored(ann.key()).await.unwrap().state.decisions, 1);

        stage.ses_tells(&bounce(&email, "Permanent")).await;
        stage.dead(&ann, Channel::Email, &ann.email, Some(SuppressionReason::HardBounce)).await;
        let sms = stage.sent_on(&ann, Channel::Sms).await;
        assert_eq!((sms.play.as_str(), sms.text.as_deref()), ("bounced", Some("about bounced")));
        stage.noted(&email, "it will not arrive", |record| record.receipts.failed_at.is_some()).await;

        // The same again, also under another id of SES's, changes nothing.
        stage.ses_tells(&bounce(&email, "Permanent")).await;
        stage.all_taken().await;
        stage.accept(&[ann.track(now(), "Wants news", json!({}))]).await;
        stage
            .stored_when(ann.key(), "no more news by email", |stored| {
                let last = stored.state.outcomes.iter().rfind(|record| record.play == "news");
                let suppressed = PlayOutcome::NotSent { reason: Reason::Suppressed { channel: Channel::Email } };
                last.is_some_and(|last| last.outcome == suppressed)
            })
            .await;
        assert_eq!((stage.sms_service().taken(&ann.phone).len(), stage.emails_to(&ann.email).await.len()), (1, 1));
    });
}

#[test]
fn a_complaint_counts_by_the_older_form_too_and_what_no_client_may_say_is_refused() {
    run(async {
        let stage = Stage::receipts_with_secrets().await;
        let ben = Shopper::new("complains");
        stage.accept(&[ben.is_customer_with_email(now()), ben.track(now(), "Wants news", json!({}))]).await;
        let email = stage.sent_on(&ben, Channel::Email).await;
        // It names no delivery, so the message's id leads to it.
        let complaint = json!({
            "notificationType": "Complaint",
            "complaint": {"complainedRecipients": [{"emailAddress": ben.email}], "complaintFeedbackType": "abuse",
                "timestamp": now().to_string()},
            "mail": {"timestamp": now().to_string(), "destination": [ben.email],
                "messageId": email.answer.as_ref().unwrap().provider_id},
        });
        stage.ses_tells(&complaint).await;
        stage.dead(&ben, Channel::Email, &ben.email, Some(SuppressionReason::Complaint)).await;
        stage.noted(&email, "it was called spam", |record| record.receipts.complained_at.is_some()).await;

        let answer = stage.post(&[ben.track(now(), "Email Bounced", json!({}))]).await;
        assert!(answer.body.to_string().contains("name_reserved") || answer.status == 400, "{answer:?}");
    });
}

#[test]
fn telegram_tells_who_has_blocked_the_bot_and_only_telegram_can() {
    run(async {
        let stage = Stage::receipts_with_secrets().await;
        let eva = Shopper::new("blocks");
        let chat: i64 = eva.phone[1..].parse().unwrap();
        stage.asks_for(&eva, json!({"telegram_chat_id": chat})).await;
        stage.sent_on(&eva, Channel::Telegram).await;
        let membership = |number: i64, status: &str| {
            json!({"update_id": chat + number, "my_chat_member": {"date": now().as_secs(),
                "chat": {"id": chat, "type": "private"}, "new_chat_member": {"status": status}}})
        };
        let blocked = membership(1, "kicked");
        for secret in ["", "another", TELEGRAM_TOKEN] {
            let header = ("x-telegram-bot-api-secret-token", secret);
            assert_eq!(stage.tells("telegram", header, blocked.to_string()).await, 403, "{secret}");
        }
        stage.all_taken().await;
        assert!(stage.stored(eva.key()).await.unwrap().state.consent.dead().is_empty());

        let address = chat.to_string();
        stage.telegram_tells(&blocked).await;
        stage.dead(&eva, Channel::Telegram, &address, Some(SuppressionReason::Stop)).await;
        stage.telegram_tells(&membership(2, "member")).await;
        stage.dead(&eva, Channel::Telegram, &address, None).await;
        // Somebody plays the recording once more.
        stage.telegram_tells(&blocked).await;
        stage.all_taken().await;
        stage.dead(&eva, Channel::Telegram, &address, None).await;

        let says = |number: i64, text: &str| {
            json!({"update_id": chat + number, "message": {"date": now().as_secs(), "text": text,
                "chat": {"id": chat, "type": "private"}}})
        };
        stage.telegram_tells(&says(3, "/stop")).await;
        stage.dead(&eva, Channel::Telegram, &address, Some(SuppressionReason::Stop)).await;
        stage.telegram_tells(&says(4, "where is my parcel?")).await;
        stage.telegram_tells(&says(5, "/start again")).await;
        stage.dead(&eva, Channel::Telegram, &address, None).await;
        stage.telegram_tells(&says(3, "/stop")).await;
        stage.all_taken().await;
        stage.dead(&eva, Channel::Telegram, &address, None).await;
    });
}

#[test]
fn viber_tells_what_was_read_and_forged_or_unknown_or_old_news_changes_nothing() {
    run(async {
        let stage = Stage::receipts_with_secrets().await;
        let ida = Shopper::new("reads");
        let id = format!("{}A=", &ida.phone[1..]);
        stage.asks_for(&ida, json!({"viber_id": id, "phone": ida.phone})).await;
        let message = stage.sent_on(&ida, Channel::Viber).await;
        let token: u64 = message.answer.as_ref().unwrap().provider_id.as_ref().unwrap().parse().unwrap();
        let tells = |event: &str, token: u64, at: Timestamp| json!({"event": event, "timestamp": at.as_millis(), "message_token": token, "user_id": id});
        let read = tells("seen", token, now()).to_string();
        let other = tells("failed", token, now()).to_string();
        for signature in ["", &signature(VIBER_TOKEN, &other), &signature(APP_SECRET, &read)] {
            assert_eq!(stage.tells("viber", ("x-viber-content-signature", signature), read.clone()).await, 403);
        }
        // Another program's message, and a recording of long ago.
        stage.viber_tells(&tells("seen", u64::MAX, now())).await;
        stage.viber_tells(&tells("failed", token, Timestamp::from_millis(1_457_764_197_627))).await;
        stage.viber_tells(&tells("delivered", token, now())).await;
        stage.noted(&message, "it has arrived", |record| record.receipts.delivered_at.is_some()).await;
        stage.all_taken().await;
        let kept = stage.delivery(message.delivery).await.unwrap().receipts;
        assert!(kept.read_at.is_none() && kept.failed_at.is_none(), "{kept:?}");

        for _ in 0..2 {
            stage.viber_tells(&tells("seen", token, now())).await;
        }
        let sms = stage.sent_on(&ida, Channel::Sms).await;
        assert_eq!(sms.text.as_deref(), Some("about read"));
        stage.all_taken().await;
        assert_eq!(stage.sms_service().taken(&ida.phone).len(), 1, "read once, whatever Viber repeats");

        stage.viber_tells(&json!({"event": "unsubscribed", "timestamp": now().as_millis(), "user_id": id})).await;
        stage.dead(&ida, Channel::Viber, &id, Some(SuppressionReason::Stop)).await;
        let large = "x".repeat(CALLBACK_BYTES_MAX + 1);
        assert_eq!(stage.tells("viber", ("x-viber-content-signature", "x"), large).await, 413);
    });
}

#[test]
fn meta_verifies_the_endpoint_and_tells_what_failed_and_who_writes_stop() {
    run(async {
        let stage = Stage::receipts_with_secrets().await;
        let base = format!("{}/whatsapp", stage.stack.function_url("CallbacksUrl").unwrap());
        for (token, status, body) in [(VERIFY_TOKEN, 200, Some("1158201444")), ("another", 403, None)] {
            let url = format!("{base}?hub.mode=subscribe&hub.verify_token={token}&hub.challenge=1158201444");
            let answer = stage.http.get(url).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), status);
            let text = answer.text().await.unwrap();
            assert!(body.is_none_or(|body| body == text), "{text}");
        }

        let max = Shopper::new("no-whatsapp");
        stage.asks_for(&max, json!({"whatsapp": max.phone})).await;
        let message = stage.sent_on(&max, Channel::Whatsapp).await;
        let status = |status: &str, errors: Value| {
            json!({"statuses": [{"id": message.answer.as_ref().unwrap().provider_id, "status": status,
                "timestamp": now().as_secs().to_string(), "recipient_id": max.phone[1..],
                "biz_opaque_callback_data": message.delivery, "errors": errors}]})
        };
        let body = status("failed", json!([{"code": 131_026}])).to_string();
        for signature in ["", &signature(APP_SECRET, &body), &format!("sha256={}", signature(VIBER_TOKEN, &body))] {
            assert_eq!(stage.tells("whatsapp", ("x-hub-signature-256", signature), body.clone()).await, 403);
        }
        stage.whatsapp_tells(&status("sent", json!([]))).await;
        stage.whatsapp_tells(&status("delivered", json!([]))).await;
        stage.noted(&message, "it has arrived", |record| record.receipts.delivered_at.is_some()).await;
        stage.whatsapp_tells(&status("failed", json!([{"code": 131_026, "title": "Message undeliverable"}]))).await;
        stage.dead(&max, Channel::Whatsapp, &max.phone, Some(SuppressionReason::HardBounce)).await;

        // Who writes from there is there.
        let says = |id: &str, text: &str| {
            json!({"messages": [{"from": max.phone[1..], "id": format!("wamid.{}{id}", max.phone), "type": "text",
                "timestamp": now().as_secs().to_string(), "text": {"body": text}}]})
        };
        stage.whatsapp_tells(&says("1", "I am here now")).await;
        stage.dead(&max, Channel::Whatsapp, &max.phone, None).await;
        stage.whatsapp_tells(&says("2", "Stopp!")).await;
        stage.dead(&max, Channel::Whatsapp, &max.phone, Some(SuppressionReason::Stop)).await;
        stage.whatsapp_tells(&says("3", "hello?")).await;
        stage.all_taken().await;
        stage.dead(&max, Channel::Whatsapp, &max.phone, Some(SuppressionReason::Stop)).await;
    });
}

#[test]
fn an_address_that_is_refused_at_sending_is_dead_from_then_on() {
    run(async {
        let stage = Stage::receipts_with_secrets().await;
        let tom = Shopper::new("blocked-before");
        let chat: u64 = tom.phone[1..].parse().unwrap();
        let viber = format!("{}A=", &tom.phone[1..]);
        stage.messengers.as_ref().unwrap().will(&chat.to_string(), &[Mood::Blocked]);
        stage.asks_for(&tom, json!({"telegram_chat_id": chat, "viber_id": viber})).await;
        stage.dead(&tom, Channel::Telegram, &chat.to_string(), Some(SuppressionReason::Stop)).await;
        let records = stage.deliveries(tom.key()).await;
        let refused = records[0].as_ref().unwrap();
        assert_eq!((refused.channel, refused.status), (Channel::Telegram, Status::Refused));
        // The next message takes the next channel.
        stage.asks_for(&tom, json!({})).await;
        stage.sent_on(&tom, Channel::Viber).await;

        // Somebody who has the same chat, and does not know yet.
        let lea = Shopper::new("same-chat");
        stage.asks_for(&lea, json!({"telegram_chat_id": chat})).await;
        stage
            .stored_when(lea.key(), "she hears of it", |stored| {
                stored.state.consent.suppression(Channel::Telegram, &chat.to_string()) == Some(SuppressionReason::Stop)
            })
            .await;
        let records = stage.deliveries(lea.key()).await;
        assert_eq!(records[0].as_ref().unwrap().answer.as_ref().unwrap().class, AnswerClass::NotAllowed);
    });
}
