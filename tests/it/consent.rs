//! Consent: who says no gets no more marketing, whatever way they say it; what they have asked for still comes.

use std::collections::BTreeMap;

use kairos_cli::suppression_file::{SuppressionFile, export};
use kairos_cli::target::Target;
use kairos_cli::terminal::Progress;
use kairos_cloud::suppressions::{Suppression, SuppressionsTable};
use kairos_engine::consent::{Choice, SuppressionReason};
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::{AddressKey, UserKey};
use kairos_engine::outcome::{PlayOutcome, Reason};
use kairos_engine::playbook::{
    Channel, ChannelConsent, ConsentSettings, EmailTemplate, EventMatch, EventPattern, LocalizedMessage, Message,
    OptIn, Play, Playbook, PlaybookVersion, Property, PropertyFilter, Purpose, SmsTemplate, Step, TraitValue, Trigger,
    ValueTest, Wording,
};
use kairos_engine::time::Span;
use kairos_protocol::delivery::{AnswerClass, Status};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::harness::shopper::now;
use crate::harness::{PATIENCE, Shopper, Stage, eventually, playbook, run};

const HELP: &str = "Shop: STOP ends messages.";

/// The playbook of these tests: an offer and a receipt by email, an offer by SMS, and a request for confirmation.
pub(crate) fn with_consent(webhook_url: &str) -> Playbook {
    let base = playbook::playbook(webhook_url);
    let play = |name: &str, event: EventMatch, channel: Channel| Play {
        name: name.into(),
        title: name.into(),
        trigger: Trigger::Event(vec![event]),
        valid_for: Span::from_hours(1),
        steps: vec![Step::Send { message: name.into(), channels: vec![channel], order: Default::default() }],
        ..Play::default()
    };
    let wants = |name: &str| EventMatch::all(EventPattern::Track(EventName::Custom(format!("Wants {name}").into())));
    let pending = EventMatch {
        filters: vec![PropertyFilter {
            property: Property::Own(["choice".into()].into()),
            is: ValueTest::Equal(TraitValue::Text("pending".into())),
            currency: None,
        }],
        ..EventMatch::all(EventPattern::Track(EventName::ConsentUpdated))
    };
    let message = |purpose, email: &str, sms: &str| {
        let email = EmailTemplate { subject: "Hello".into(), text: email.into(), html: None };
        let texts = LocalizedMessage {
            email: Some(email),
            sms: Some(SmsTemplate { text: sms.into() }),
            ..LocalizedMessage::default()
        };
        Message {
            default_locale: "en".into(),
            locales: [("en".to_owned(), texts)].into(),
            purpose,
            ..Message::default()
        }
    };
    let words = |text: &str| BTreeMap::from([("en".to_owned(), text.to_owned())]);
    let wording = Some(Wording { version: "v7".into(), text: words("Offers by email") });
    Playbook {
        version: PlaybookVersion("tests-consent".into()),
        sources: base.sources,
        channels: base.channels,
        plays: vec![
            play("confirm", pending, Channel::Email),
            play("offer", wants("offer"), Channel::Email),
            play("receipt", wants("receipt"), Channel::Email),
            play("text", wants("text"), Channel::Sms),
        ],
        messages: [
            ("confirm", message(Purpose::Transactional, "{{ confirm_url }}", "x")),
            ("offer", message(Purpose::Marketing, "{{ unsubscribe_url }} {{ preferences_url }}", "x")),
            ("receipt", message(Purpose::Transactional, "Thank you", "x")),
            ("text", message(Purpose::Marketing, "x", "Have a look")),
        ]
        .map(|(name, message)| (name.to_owned(), message))
        .into(),
        consent: Some(ConsentSettings {
            shop: Some("Tea & Co".into()),
            channels: [(Channel::Email, ChannelConsent { opt_in: OptIn::Double, wording })].into(),
            help: words(HELP),
        }),
        ..Playbook::default()
    }
}

/// A page as a person sees it.
struct Page {
    status: u16,
    body: String,
}

impl Stage {
    async fn server_key(&self) -> &str {
        static KEY: OnceCell<String> = OnceCell::const_new();
        KEY.get_or_init(|| async {
            let secrets = aws_sdk_secretsmanager::Client::new(&self.config);
            let answer = secrets.get_secret_value().secret_id(self.output("ServerKeyArn")).send().await.unwrap();
            answer.secret_string().unwrap().to_owned()
        })
        .await
    }

    /// The shop's server says something.
    async fn server_says(&self, call: Value) {
        let body = json!({"batch": [call], "writeKey": self.server_key().await});
        let answer = self.post_json("/v1/batch", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    async fn page(&self, link: &str, form: Option<&str>) -> Page {
        let path = link.split_once("://").and_then(|(_, rest)| rest.split_once('/')).expect("a link has a path").1;
        let url = format!("{}/{path}", self.stack.function_url("PreferencesUrl").unwrap());
        let request = match form {
            None => self.http.get(url),
            Some(form) => {
                self.http.post(url).header("content-type", "application/x-www-form-urlencoded").body(form.to_owned())
            }
        };
        let answer = request.send().await.expect("the Function URL answers");
        Page { status: answer.status().as_u16(), body: answer.text().await.expect("the page is complete") }
    }

    /// Waits until an email of this many has come, and gives the words in its text.
    async fn words_of_email(&self, address: &str, how_many: usize) -> Vec<String> {
        let emails = eventually(format!("{how_many} emails to {address}"), PATIENCE, async || {
            let emails = self.emails_to(address).await;
            if emails.len() == how_many { Ok(emails) } else { Err(format!("{emails:#?}")) }
        })
        .await;
        emails.last().unwrap().body_text.split_whitespace().map(str::to_owned).collect()
    }

    async fn says_of_email(&self, user: UserKey, wanted: Choice) {
        self.stored_when(user, "what was said is heard", |stored| {
            let entry = stored.state.consent.on(Channel::Email, Purpose::Marketing);
            entry.is_some_and(|entry| entry.choice == wanted)
        })
        .await;
    }

    /// Waits until a play has ended without a message, and gives the reason.
    async fn not_sent(&self, user: UserKey, play: &str) -> Reason {
        let is_it = |record: &&kairos_engine::outcome::OutcomeRecord| record.play == play;
        let stored = self
            .stored_when(user, "a play sends nothing", |stored| {
                let last = stored.state.outcomes.iter().rfind(is_it);
                last.is_some_and(|last| matches!(last.outcome, PlayOutcome::NotSent { .. }))
            })
            .await;
        match stored.state.outcomes.iter().rfind(is_it).map(|record| record.outcome.clone()) {
            Some(PlayOutcome::NotSent { reason }) => reason,
            other => panic!("{other:?}"),
        }
    }

    async fn answers_by_sms(&self, phone: &str, text: &str, id: &str) {
        let reply = json!({
            "originationNumber": phone, "destinationNumber": "+15559999999", "messageKeyword": "KEYWORD",
            "messageBody": text, "inboundMessageId": id,
        });
        let sns = aws_sdk_sns::Client::new(&self.config);
        let topic = self.output("SmsRepliesTopicArn");
        sns.publish().topic_arn(topic).message(reply.to_string()).send().await.unwrap();
    }

    pub(crate) fn suppressions(&self) -> SuppressionsTable {
        SuppressionsTable::new(self.dynamodb.clone(), self.output("SuppressionsTable").to_owned())
    }

    async fn listed(&self, phone: &str, wanted: bool) -> Option<Suppression> {
        let key = AddressKey::of(Channel::Sms, phone);
        eventually(format!("{phone} is on the list: {wanted}"), PATIENCE, async || {
            let found = self.suppressions().get(Channel::Sms, key).await.map_err(|error| error.to_string())?;
            if found.is_some() == wanted { Ok(found) } else { Err(format!("{found:?}")) }
        })
        .await
    }
}

fn wants(shopper: &Shopper, what: &str) -> Value {
    shopper.track(now(), &format!("Wants {what}"), json!({}))
}

#[test]
fn an_address_is_confirmed_before_offers_come_and_one_click_ends_them() {
    run(async {
        let stage = Stage::consent().await;
        let eva = Shopper::new("by-double-opt-in");
        stage.accept(&[eva.is_customer_with_email(now()), wants(&eva, "offer")]).await;
        assert_eq!(stage.not_sent(eva.key(), "offer").await, Reason::NoConsent { channel: Channel::Email });

        // A page cannot agree for her, and the shop's server has to ask her first.
        let asks = json!({"channel": "email", "choice": "pending"});
        stage.accept(&[eva.track(now(), "Consent Updated", json!({"channel": "email", "choice": "given"}))]).await;
        stage.says_of_email(eva.key(), Choice::Pending).await;
        stage.server_says(eva.track(now(), "Consent Updated", asks)).await;
        let [link] = stage.words_of_email(&eva.email, 1).await.try_into().unwrap();

        // A scanner that follows the link changes nothing.
        let page = stage.page(&link, None).await;
        assert!(page.status == 200 && page.body.contains("Offers by email"), "{}", page.body);
        stage.says_of_email(eva.key(), Choice::Pending).await;
        let page = stage.page(&link, Some("")).await;
        assert!(page.status == 200 && page.body.contains("Tea &amp; Co may write to you"), "{}", page.body);
        stage.says_of_email(eva.key(), Choice::Given).await;

        stage.accept(&[wants(&eva, "offer")]).await;
        let [unsubscribe, _] = stage.words_of_email(&eva.email, 2).await.try_into().unwrap();
        assert_eq!(stage.page(&unsubscribe, None).await.status, 200);
        stage.says_of_email(eva.key(), Choice::Given).await;
        // As mail programs do it (RFC 8058).
        assert_eq!(stage.page(&unsubscribe, Some("List-Unsubscribe=One-Click")).await.status, 200);
        stage.says_of_email(eva.key(), Choice::Refused).await;

        stage.accept(&[wants(&eva, "offer"), wants(&eva, "receipt")]).await;
        assert_eq!(stage.words_of_email(&eva.email, 3).await, ["Thank", "you"]);
        assert_eq!(stage.not_sent(eva.key(), "offer").await, Reason::NoConsent { channel: Channel::Email });
        assert_eq!(stage.emails_to(&eva.email).await.len(), 3);
    });
}

#[test]
fn the_preferences_page_shows_and_keeps_what_was_chosen() {
    run(async {
        let stage = Stage::consent().await;
        let ida = Shopper::new("by-preferences");
        let traits = json!({"email": ida.email, "phone": ida.phone, "createdAt": "2020-01-01T00:00:00Z"});
        stage.accept(&[ida.identifies(now(), traits)]).await;
        stage.server_says(ida.track(now(), "Consent Updated", json!({"channel": "email", "choice": "pending"}))).await;
        let [confirm] = stage.words_of_email(&ida.email, 1).await.try_into().unwrap();
        stage.page(&confirm, Some("")).await;
        stage.says_of_email(ida.key(), Choice::Given).await;
        stage.accept(&[wants(&ida, "offer")]).await;
        let [_, preferences] = stage.words_of_email(&ida.email, 2).await.try_into().unwrap();

        let page = stage.page(&preferences, None).await;
        let end = &ida.phone[ida.phone.len() - 3..];
        for part in ["value=\"email\" checked", "value=\"sms\" checked", &format!("…{end}"), "Offers by email"] {
            assert!(page.body.contains(part), "{part} is not in {}", page.body);
        }
        assert!(!page.body.contains(&ida.phone) && !page.body.contains(&ida.email), "{}", page.body);
        let saved = stage.page(&preferences, Some("shown=email&on=email&shown=sms")).await;
        assert_eq!(saved.status, 200);
        stage
            .stored_when(ida.key(), "what was chosen is heard", |stored| {
                let consent = &stored.state.consent;
                let email = consent.on(Channel::Email, Purpose::Marketing);
                let given =
                    email.is_some_and(|entry| entry.choice == Choice::Given && entry.wording.as_deref() == Some("v7"));
                given && consent.refuses(Channel::Sms, Purpose::Marketing)
            })
            .await;
        let page = stage.page(&preferences, None).await;
        assert!(page.body.contains("value=\"email\" checked") && !page.body.contains("value=\"sms\" checked"));
        assert_eq!(stage.page(&preferences, Some("none=1")).await.status, 200);
        stage.says_of_email(ida.key(), Choice::Refused).await;

        // Another purpose, another letter, another key: nothing is changed.
        let forged = preferences.replace("/p/", "/u/");
        let mut cut = preferences.clone();
        cut.pop();
        for link in [forged, cut, preferences.replace("/p/", "/p/A")] {
            assert_eq!(stage.page(&link, Some("shown=email&on=email")).await.status, 404, "{link}");
        }
        stage.says_of_email(ida.key(), Choice::Refused).await;
    });
}

#[test]
fn stop_by_sms_ends_messages_to_the_number_and_start_brings_them_back() {
    run(async {
        let stage = Stage::consent().await;
        let tom = Shopper::new("by-stop");
        stage.accept(&[tom.is_customer_with_phone(now()), wants(&tom, "text")]).await;
        stage.sent(tom.key(), 1).await;

        stage.answers_by_sms(&tom.phone, "Stop it!", "stop-1").await;
        let listed = stage.listed(&tom.phone, true).await.unwrap();
        assert_eq!((listed.reason, listed.address.as_deref()), (SuppressionReason::Stop, Some(tom.phone.as_str())));
        stage
            .stored_when(tom.key(), "he hears of it", |stored| {
                stored.state.consent.suppression(Channel::Sms, &tom.phone) == Some(SuppressionReason::Stop)
            })
            .await;
        stage.accept(&[wants(&tom, "text")]).await;
        assert_eq!(stage.not_sent(tom.key(), "text").await, Reason::Suppressed { channel: Channel::Sms });

        // Somebody else gives the same number: it is the number that is dead.
        let ann = Shopper { phone: tom.phone.clone(), ..Shopper::new("same-number") };
        stage.accept(&[ann.is_customer_with_phone(now()), wants(&ann, "text")]).await;
        let refused = eventually("the message is refused", PATIENCE, async || {
            let records = stage.deliveries(ann.key()).await;
            let refused = records.iter().flatten().find(|record| record.status == Status::Refused).cloned();
            refused.ok_or(format!("{records:#?}"))
        })
        .await;
        let answer = refused.answer.unwrap();
        assert_eq!((answer.class, answer.code.as_str()), (AnswerClass::NotAllowed, "suppressed"));

        stage.answers_by_sms(&tom.phone, "HELP", "help-1").await;
        stage.answers_by_sms(&tom.phone, "HELP", "help-1").await;
        let answered = |sms: &crate::harness::world::Sms| sms.message == HELP;
        eventually("HELP is answered", PATIENCE, async || {
            let sms = stage.sms_to(&tom.phone).await;
            if sms.iter().any(answered) { Ok(()) } else { Err(format!("{sms:?}")) }
        })
        .await;

        stage.answers_by_sms(&tom.phone, "START", "start-1").await;
        assert_eq!(stage.listed(&tom.phone, false).await, None);
        stage.stored_when(tom.key(), "he hears of it", |stored| stored.state.consent.dead().is_empty()).await;
        stage.accept(&[wants(&tom, "text")]).await;
        stage.sent(tom.key(), 2).await;
        let sms = stage.sms_to(&tom.phone).await;
        assert_eq!(sms.iter().filter(|sms| answered(sms)).count(), 1, "what comes twice is answered once");
        assert_eq!(stage.depth("FeedbackDeadLettersUrl").await.0, 0);
    });
}

#[test]
fn a_list_from_elsewhere_is_brought_in_and_comes_out_again() {
    run(async {
        let stage = Stage::consent().await;
        let (liv, other) = (Shopper::new("on-a-list"), Shopper::new("on-a-list"));
        let text =
            format!("channel,address,reason\nsms,{},manual\nsms,{},complaint\nsms,0151,\n", liv.phone, other.phone);
        let file = SuppressionFile::read(&text, now()).unwrap();
        assert_eq!(file.refused.len(), 1);
        let list = Target::local(stage.stack.clone()).suppressions().await.unwrap();
        for _ in 0..2 {
            assert_eq!(file.bring_into(&list, &Progress::counted(2, "addresses")).await.unwrap(), (2, 0));
        }
        let mut exported = Vec::new();
        export(&list, &mut exported, &Progress::open("addresses")).await.unwrap();
        let again = SuppressionFile::read(std::str::from_utf8(&exported).unwrap(), now()).unwrap();
        assert!(again.refused.is_empty() && file.suppressions.iter().all(|one| again.suppressions.contains(one)));
        // A START takes back a STOP and nothing else.
        stage.answers_by_sms(&liv.phone, "START", "start-of-the-listed").await;
        stage.accept(&[liv.is_customer_with_phone(now()), wants(&liv, "text")]).await;
        eventually("the message is refused", PATIENCE, async || {
            let records = stage.deliveries(liv.key()).await;
            let is_refused = records.iter().flatten().any(|record| record.status == Status::Refused);
            if is_refused { Ok(()) } else { Err(format!("{records:#?}")) }
        })
        .await;
        assert!(stage.sms_to(&liv.phone).await.is_empty());
    });
}

#[test]
fn a_refusal_of_the_visitor_wins_when_they_turn_out_to_be_a_user_who_had_agreed() {
    run(async {
        let stage = Stage::consent().await;
        let max = Shopper::new("merged");
        stage.accept(&[max.is_customer_with_email(now())]).await;
        stage.server_says(max.track(now(), "Consent Updated", json!({"channel": "email", "choice": "pending"}))).await;
        let [confirm] = stage.words_of_email(&max.email, 1).await.try_into().unwrap();
        stage.page(&confirm, Some("")).await;
        stage.says_of_email(max.key(), Choice::Given).await;

        let refuses = max.track(now(), "Consent Updated", json!({"choice": "refused"}));
        stage.accept(&[max.as_visitor(refuses)]).await;
        let visitor = UserKey::anonymous(&max.anonymous_id);
        stage.says_of_email(visitor, Choice::Refused).await;
        let mut is_max = max.identifies(now(), json!({}));
        is_max["anonymousId"] = json!(max.anonymous_id);
        stage.accept(&[is_max]).await;
        stage.says_of_email(max.key(), Choice::Refused).await;
        stage.accept(&[wants(&max, "offer")]).await;
        assert_eq!(stage.not_sent(max.key(), "offer").await, Reason::NoConsent { channel: Channel::Email });
    });
}
