//! Promo codes: a message carries one, a till redeems it, and its user hears of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use futures_util::future::join_all;
use kairos_cli::pool_file::PoolFile;
use kairos_cli::target::Target;
use kairos_cli::terminal::Progress;
use kairos_cloud::promo_codes::PromoCodesTable;
use kairos_engine::commit::StoredUser;
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::DeliveryMessage;
use kairos_engine::money::{Currency, Micros, Money};
use kairos_engine::outcome::PlayOutcome;
use kairos_engine::playbook::{
    Channel, Condition, Discount, EventMatch, EventPattern, Goal, Holder, LocalizedMessage, Message, Play, Playbook,
    PlaybookVersion, Promotion, Segment, Share, SmsTemplate, Step, Trigger,
};
use kairos_engine::program::Program;
use kairos_engine::time::{Span, Timestamp};
use kairos_protocol::delivery::{DeliveryRecord, Status};
use kairos_protocol::promo_codes::{CodeKey, CodeSaved, PromoCode, PromoCodes, Redemption, SaleChannel};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::harness::shopper::now;
use crate::harness::world::Answer;
use crate::harness::{PATIENCE, Shopper, Stage, eventually, playbook, run, tell};

/// The plays of these tests, each started by an event of its own name, with what its codes are good for.
fn promotions() -> [(&'static str, Promotion); 6] {
    let euros =
        |units: i64| Money { amount: Micros::new(units * 1_000_000), currency: Currency::parse("EUR").unwrap() };
    let promotion = |discount| Promotion {
        title: "A present".into(),
        discount,
        minimum_total: None,
        maximum_discount: None,
        at_most: None,
        expires_after: Span::from_hours(7 * 24),
        prefix: None,
        only_for: Holder::Anyone,
        pool: None,
    };
    let ten_percent = || promotion(Discount::Percent(Share(1_000)));
    [
        ("spring", Promotion { prefix: Some("SPRING".into()), minimum_total: Some(euros(50)), ..ten_percent() }),
        ("own", Promotion { only_for: Holder::User, ..promotion(Discount::Amount(euros(5))) }),
        ("brief", Promotion { expires_after: Span::from_secs(3), ..promotion(Discount::FreeShipping) }),
        ("shops", Promotion { pool: Some("autumn".into()), ..ten_percent() }),
        ("few", Promotion { at_most: Some(2), maximum_discount: Some(euros(6)), ..ten_percent() }),
        ("none_left", Promotion { pool: Some("empty".into()), ..ten_percent() }),
    ]
}

fn event_of(promotion: &str) -> String {
    format!("Wants {promotion}")
}

/// The playbook of these tests: for each promotion a play that sends a code by SMS, and aims at its redemption.
pub(crate) fn with_promotions(webhook_url: &str) -> Playbook {
    let track = |name| vec![EventMatch::all(EventPattern::Track(name))];
    let play = |name: &str| Play {
        name: name.into(),
        title: name.into(),
        trigger: Trigger::Event(track(EventName::Custom(event_of(name).into()))),
        valid_for: Span::from_hours(1),
        goal: Some(Goal { of: track(EventName::CouponApplied), within: Span::from_hours(7 * 24) }),
        steps: vec![
            Step::Send { message: name.into(), channels: vec![Channel::Sms], order: Default::default() },
            // The goal ends the play: whoever stays in it has not redeemed.
            Step::Wait(Span::from_hours(7 * 24)),
            Step::Send { message: "late".into(), channels: vec![Channel::Sms], order: Default::default() },
        ],
        ..Play::default()
    };
    let message = |text: &str, promotion: Option<&str>| Message {
        default_locale: "en".into(),
        locales: [(
            "en".to_owned(),
            LocalizedMessage { sms: Some(SmsTemplate { text: text.into() }), ..LocalizedMessage::default() },
        )]
        .into(),
        promotion: promotion.map(str::to_owned),
        ..Message::default()
    };
    let redeemed = |name: &str, at_least| Segment {
        name: name.into(),
        title: name.into(),
        who: Condition::Did { of: track(EventName::CouponApplied), at_least, within: None, same: None },
    };
    let base = playbook::playbook(webhook_url);
    let mut messages = BTreeMap::from([("late".to_owned(), message("Still waiting", None))]);
    for (name, _) in promotions() {
        messages.insert(name.into(), message("{{ promo_code.title }}: {{ promo_code.code }}", Some(name)));
    }
    Playbook {
        version: PlaybookVersion("tests-promotions".into()),
        sources: base.sources,
        channels: base.channels,
        segments: vec![redeemed("redeemed", 1), redeemed("redeemed_twice", 2)],
        plays: promotions().iter().map(|(name, _)| play(name)).collect(),
        messages,
        promotions: promotions().map(|(name, promotion)| (name.to_owned(), promotion)).into(),
        ..Playbook::default()
    }
}

impl Stage {
    async fn redeem_key(&self) -> &str {
        static KEY: OnceCell<String> = OnceCell::const_new();
        KEY.get_or_init(|| async {
            let secrets = aws_sdk_secretsmanager::Client::new(&self.config);
            let answer = secrets.get_secret_value().secret_id(self.output("RedeemKeyArn")).send().await.unwrap();
            answer.secret_string().unwrap().to_owned()
        })
        .await
    }

    async fn ask_with(&self, key: &str, path: &str, body: String) -> Answer {
        let url = format!("{}/v1/{path}", self.stack.function_url("RedeemUrl").unwrap());
        self.send(self.http.post(url).bearer_auth(key).body(body)).await
    }

    async fn redeem(&self, body: &Value) -> Answer {
        self.ask_with(self.redeem_key().await, "redeem", body.to_string()).await
    }

    async fn check(&self, body: &Value) -> Answer {
        self.ask_with(self.redeem_key().await, "redeem/check", body.to_string()).await
    }

    fn codes(&self) -> PromoCodesTable {
        PromoCodesTable::new(self.dynamodb.clone(), self.output("PromoCodesTable").to_owned())
    }

    async fn promo_code(&self, code: &str) -> PromoCode {
        self.codes().load(&CodeKey::parse(code).unwrap()).await.unwrap().expect("the code is there")
    }

    /// A shopper who has got a code of a promotion by SMS.
    async fn given(&self, promotion: &str) -> (Shopper, String, DeliveryRecord) {
        let shopper = Shopper::new(promotion);
        self.accept(&[shopper.is_customer_with_phone(now()), wants(&shopper, promotion)]).await;
        let [record] = self.sent(shopper.key(), 1).await.try_into().unwrap();
        let code = code_in(record.text.as_deref().unwrap());
        (shopper, code, record)
    }
}

fn wants(shopper: &Shopper, promotion: &str) -> Value {
    shopper.track(now(), &event_of(promotion), json!({}))
}

fn code_in(text: &str) -> String {
    text.strip_prefix("A present: ").unwrap_or_else(|| panic!("{text}")).to_owned()
}

/// A purchase for which a code is to be used, at a till.
fn at_till(code: &str, order: &str) -> Value {
    json!({"code": code, "order_id": order, "total": 80, "currency": "EUR", "channel": "store", "store": "Old Town"})
}

fn refusal(answer: &Answer) -> (u16, &str) {
    assert_eq!(answer.body["ok"], false, "{}", answer.body);
    assert!(answer.body["message"].as_str().is_some_and(|message| message.ends_with('.')), "{}", answer.body);
    (answer.status, answer.body["code"].as_str().unwrap())
}

/// Waits until a user has heard of a redemption that was worth 80 EUR, and looks whether they heard once.
async fn hears_once(stage: &Stage, shopper: &Shopper, code: &str) {
    let converted = |stored: &StoredUser| {
        let outcomes = stored.state.outcomes.iter().map(|record| &record.outcome);
        let is_worth = |value: &Option<Micros>| *value == Some(Micros::new(80_000_000));
        outcomes
            .into_iter()
            .any(|outcome| matches!(outcome, PlayOutcome::Converted { sent: true, value, .. } if is_worth(value)))
    };
    stage.stored_when(shopper.key(), "the play has reached its goal", converted).await;
    // What comes behind it in the mailbox finds what was told twice, if anything was.
    let at = now();
    assert!(at > stage.promo_code(code).await.redeemed.unwrap().at);
    stage.accept(&[shopper.track(at, "Looked Around", json!({}))]).await;
    let stored = stage.applied_to(shopper, at).await;
    let program = Program::new(with_promotions(&stage.receiver.url())).unwrap();
    let segments: Vec<_> = program.memberships(&stored.state).into_iter().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(segments, ["redeemed"], "and not redeemed_twice");
}

#[test]
fn a_code_of_a_message_is_redeemed_in_store_and_its_user_hears_of_it() {
    run(async {
        let stage = Stage::promo_codes().await;
        let (ida, code, record) = stage.given("spring").await;
        let symbols = code.strip_prefix("SPRING-").unwrap();
        assert!(symbols.len() == 14 && symbols.split('-').all(|group| group.len() == 4), "{code}");

        let asked = stage.check(&json!({"code": code, "total": 80, "currency": "EUR"})).await;
        assert_eq!((asked.status, &asked.body["discount"]), (200, &json!(8.0)), "{}", asked.body);
        assert_eq!(asked.body.get("redeemed_at"), None, "asking uses nothing");

        // Typed by hand.
        let typed = code.to_lowercase().replace('-', " ");
        let started = Instant::now();
        let first = stage.redeem(&at_till(&typed, "order-1")).await;
        tell(format!("a till has its answer after {} ms", started.elapsed().as_millis()));
        assert_eq!(first.status, 200, "{}", first.body);
        let expected = json!({
            "ok": true, "promo_code": code, "promotion": "spring", "title": "A present", "kind": "percent", "percent": 10.0,
            "minimum_total": 50.0, "currency": "EUR", "discount": 8.0, "order_id": "order-1",
            "expires_at": first.body["expires_at"], "redeemed_at": first.body["redeemed_at"],
        });
        assert_eq!(first.body, expected);
        let expires_at = Timestamp::parse(first.body["expires_at"].as_str().unwrap()).unwrap();
        assert_eq!(expires_at, record.due_at.plus(Span::from_hours(7 * 24)), "from the moment on");

        let again = stage.redeem(&at_till(&code, "order-1")).await;
        assert_eq!((again.status, again.body), (200, expected), "the same order gets the same answer");
        assert_eq!(refusal(&stage.redeem(&at_till(&code, "order-2")).await), (409, "already_used"));
        assert_eq!(refusal(&stage.check(&json!({"code": code})).await), (409, "already_used"));

        let kept = stage.promo_code(&code).await;
        let (given, redeemed) = (kept.given.unwrap(), kept.redeemed.unwrap());
        assert_eq!((given.delivery, given.user, given.play.as_str()), (record.delivery, ida.key(), "spring"));
        assert_eq!((redeemed.order.as_str(), redeemed.store.as_deref()), ("order-1", Some("Old Town")));
        assert_eq!((redeemed.total, redeemed.discount), (Some(Micros::new(80_000_000)), Some(Micros::new(8_000_000))));
        assert!(redeemed.told);

        hears_once(stage, &ida, &code).await;
    });
}

#[test]
fn whatever_a_code_cannot_be_used_for_has_its_own_refusal() {
    run(async {
        let stage = Stage::promo_codes().await;
        let (_, spring, _) = stage.given("spring").await;
        let (jon, own, _) = stage.given("own").await;
        let (_, brief, record) = stage.given("brief").await;
        let with = |code: &str, change: Value| {
            let mut body = at_till(code, "order-1");
            body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            body
        };
        // One symbol is another one.
        let last = spring.chars().last().unwrap();
        let tampered = format!("{}{}", &spring[..spring.len() - 1], if last == '7' { '8' } else { '7' });
        eventually("the brief code has expired", PATIENCE, async || {
            if now() >= record.due_at.plus(Span::from_secs(3)) { Ok(()) } else { Err("not yet".into()) }
        })
        .await;
        for (what, body, expected) in [
            ("tampered", at_till(&tampered, "order-1"), (404, "unknown_code")),
            ("made up", at_till("SPRING-2222-2222-2222", "order-1"), (404, "unknown_code")),
            ("without its prefix", at_till(spring.strip_prefix("SPRING-").unwrap(), "order-1"), (404, "unknown_code")),
            ("no code", at_till("';--", "order-1"), (400, "code_unreadable")),
            ("expired", at_till(&brief, "order-1"), (410, "expired")),
            ("too little", with(&spring, json!({"total": 49.99})), (422, "below_minimum")),
            ("nobody knows how much", with(&spring, json!({"total": null})), (422, "total_missing")),
            ("other money", with(&spring, json!({"currency": "USD"})), (422, "wrong_currency")),
            ("nobody knows who", at_till(&own, "order-1"), (422, "user_missing")),
            ("another user", with(&own, json!({"user_id": "somebody-else"})), (403, "wrong_user")),
            ("a visitor", with(&own, json!({"anonymous_id": "somebody-else"})), (403, "wrong_user")),
            ("without an order", with(&spring, json!({"order_id": null})), (400, "field_missing")),
            ("without a channel", with(&spring, json!({"channel": null})), (400, "field_missing")),
            ("a slip", with(&spring, json!({"orderId": "x"})), (400, "field_unknown")),
        ] {
            let answer = stage.redeem(&body).await;
            assert_eq!(refusal(&answer), expected, "{what}: {}", answer.body);
        }
        let good = at_till(&spring, "order-1").to_string();
        for (key, path, body, expected) in [
            ("wrong", "redeem", good.clone(), (401, "key_wrong")),
            ("", "redeem", good.clone(), (401, "key_missing")),
            (playbook::WRITE_KEY, "redeem", good.clone(), (401, "key_wrong")),
            (stage.redeem_key().await, "redeem", "[1]".into(), (400, "body_not_json")),
            (stage.redeem_key().await, "redeem", String::new(), (400, "body_missing")),
            (stage.redeem_key().await, "redeem", " ".repeat(9_000), (413, "body_too_large")),
            (stage.redeem_key().await, "redeemed", good.clone(), (404, "not_found")),
        ] {
            assert_eq!(refusal(&stage.ask_with(key, path, body).await), expected);
        }
        // None of that has used anything.
        for body in [at_till(&spring, "order-1"), with(&own, json!({"user_id": jon.user_id}))] {
            let answer = stage.redeem(&body).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
    });
}

#[test]
fn a_visitor_who_turns_out_to_be_a_user_keeps_the_code() {
    run(async {
        let stage = Stage::promo_codes().await;
        let (kim, code, _) = stage.given("own").await;
        let as_visitor = json!({"code": code, "anonymous_id": kim.anonymous_id});
        assert_eq!(refusal(&stage.check(&as_visitor).await), (403, "wrong_user"));
        let mut identify = kim.is_customer_with_phone(now());
        identify["anonymousId"] = json!(kim.anonymous_id);
        stage.accept(&[kim.as_visitor(kim.track(now(), "Looked Around", json!({}))), identify]).await;
        let visitor = UserKey::anonymous(&kim.anonymous_id);
        let linked = |stored: &StoredUser| stored.state.forwarded_to == Some(kim.key());
        stage.stored_when(visitor, "both are one", linked).await;
        let answer = stage.check(&as_visitor).await;
        assert_eq!((answer.status, &answer.body["amount"]), (200, &json!(5.0)), "{}", answer.body);
    });
}

#[test]
fn a_redemption_of_which_its_user_never_heard_is_told_by_the_same_request() {
    run(async {
        let stage = Stage::promo_codes().await;
        let (lia, code, _) = stage.given("spring").await;
        // The process that wrote this ended before it told anybody, and its till has got no answer.
        let mut written = stage.promo_code(&code).await;
        let total = Micros::new(80_000_000);
        written.redeemed = Some(Redemption {
            order: "order-1".into(),
            at: now(),
            channel: SaleChannel::Store,
            store: None,
            total: Some(total),
            currency: Currency::parse("EUR"),
            discount: Some(Micros::new(8_000_000)),
            by: None,
            told: false,
        });
        let before = written.revision;
        written.revision += 1;
        assert_eq!(stage.codes().save(&written, Some(before)).await.unwrap(), CodeSaved::Written);
        let again = stage.redeem(&at_till(&code, "order-1")).await;
        assert_eq!((again.status, &again.body["discount"]), (200, &json!(8.0)), "{}", again.body);
        assert!(stage.promo_code(&code).await.redeemed.unwrap().told);
        hears_once(stage, &lia, &code).await;
    });
}

#[test]
fn of_fifty_tills_that_redeem_one_code_at_once_exactly_one_succeeds() {
    run(async {
        let stage = Stage::promo_codes().await;
        for orders in [50, 1] {
            let (ida, code, _) = stage.given("spring").await;
            stage.redeem_key().await;
            let tills = (0..50).map(|till| {
                let body = at_till(&code, &format!("order-{}", till % orders));
                async move { stage.redeem(&body).await }
            });
            let started = Instant::now();
            let answers = join_all(tills).await;
            let took_ms = started.elapsed().as_millis();
            // A till that is told to come again does so.
            let (sure, later): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status != 503);
            let (good, refused): (Vec<_>, Vec<_>) = sure.iter().partition(|answer| answer.status == 200);
            assert!(refused.iter().all(|answer| refusal(answer) == (409, "already_used")));
            let answered: BTreeSet<String> = good.iter().map(|answer| answer.body.to_string()).collect();
            assert_eq!(answered.len(), 1, "all that succeed are told the same");
            assert_eq!(good.len() + later.len(), if orders == 1 { 50 } else { 1 + later.len() });
            assert_eq!(later.len(), 0, "nobody had to come again");
            tell(format!(
                "50 tills, {orders} orders, {took_ms} ms: {} succeeded, {} refused",
                good.len(),
                refused.len()
            ));
            hears_once(stage, &ida, &code).await;
        }
    });
}

#[test]
fn a_message_that_is_delivered_again_shows_the_same_code() {
    run(async {
        let stage = Stage::promo_codes().await;
        let file = PoolFile::read("AGAIN-0001\nAGAIN-0002\nAGAIN-0003\nAGAIN-0004\n").unwrap();
        file.bring_into(&stage.codes(), "autumn", now(), &Progress::counted(4, "codes")).await.unwrap();
        for promotion in ["spring", "shops"] {
            let (_, code, record) = stage.given(promotion).await;
            // Its record is lost, and the queue gives the order once more: as if nobody had ever taken it.
            let mut order = order_of(&record);
            order["expires_at"] = json!(now().plus(Span::from_hours(1)).as_millis());
            let key = aws_sdk_dynamodb::types::AttributeValue::S(record.delivery.to_string());
            let request = stage.dynamodb.delete_item().table_name(stage.output("DeliveriesTable"));
            request.key("delivery", key).send().await.unwrap();
            let queue = stage.output("DeliveriesQueueUrl");
            stage.sqs.send_message().queue_url(queue).message_body(order.to_string()).send().await.unwrap();
            let again =
                eventually("it is sent again", PATIENCE, async || match stage.delivery(record.delivery).await {
                    Some(again) if again.status == Status::Sent => Ok(again),
                    other => Err(format!("{other:?}")),
                })
                .await;
            assert_eq!(code_in(again.text.as_deref().unwrap()), code);
            let sms = stage.sms_to(&record.address).await;
            assert_eq!(sms.len(), 2);
            assert!(sms.iter().all(|sms| code_in(&sms.message) == code), "{sms:?}");
        }
    });
}

/// The order that led to a record, as the queue gave it.
fn order_of(record: &DeliveryRecord) -> Value {
    let order = json!({
        "v": "1", "delivery": record.delivery, "user": record.user, "play": record.play, "message": record.message,
        "playbook": record.playbook, "channel": record.channel, "address": record.address, "due_at": record.due_at,
        "decided_at": record.decided_at, "expires_at": record.moment_ends_at, "why": record.why,
        "data": {"user": {}, "cart": {"items": []}},
    });
    serde_json::from_value::<DeliveryMessage>(order.clone()).expect("an order");
    order
}

#[test]
fn codes_of_the_shops_own_are_brought_in_given_once_and_redeemed() {
    run(async {
        let stage = Stage::promo_codes().await;
        let codes = Target::local(stage.stack.clone()).promo_codes().await.unwrap();
        let text = "code,note\nOWN-0001,\nown 0001,twice\nOWN-0002,\n!,\nOWN-0003,\n";
        let file = PoolFile::read(text).unwrap();
        let progress = Progress::counted(3, "codes");
        let imported = file.bring_into(&codes, "autumn", now(), &progress).await.unwrap();
        assert_eq!((imported.added, imported.known, imported.refused.len()), (3, 0, 2), "{imported:?}");
        let again = file.bring_into(&codes, "autumn", now(), &progress).await.unwrap();
        assert_eq!((again.added, again.known), (0, 3), "nothing counts twice");
        let elsewhere = file.bring_into(&codes, "winter", now(), &progress).await.unwrap();
        assert_eq!(elsewhere.refused[&2], "the pool `autumn` has this code already");

        let mut given = BTreeSet::new();
        for _ in 0..3 {
            let (_, code, _) = stage.given("shops").await;
            assert!(given.insert(code.clone()), "{code} was given before");
            let after = file.bring_into(&codes, "autumn", now(), &progress).await.unwrap();
            assert_eq!((after.added, after.known), (0, 3), "what was given does not become free again");
            let answer = stage.redeem(&at_till(&code, "order-1")).await;
            assert_eq!((answer.status, &answer.body["promo_code"]), (200, &json!(code)), "{}", answer.body);
        }
    });
}

#[test]
fn a_promotion_gives_no_more_codes_than_it_has() {
    run(async {
        let stage = Stage::promo_codes().await;
        for _ in 0..2 {
            let (_, code, _) = stage.given("few").await;
            let answer = stage.redeem(&at_till(&code, "order-1")).await;
            assert_eq!(answer.body["discount"], 6.0, "10 % of 80 EUR would be more: {}", answer.body);
        }
        let late = Shopper::new("comes-too-late");
        stage.accept(&[late.is_customer_with_phone(now()), wants(&late, "few")]).await;
        let refused = eventually("the third gets no message", PATIENCE, async || {
            match stage.deliveries(late.key()).await.into_iter().flatten().next() {
                Some(record) if record.status == Status::Refused => Ok(record),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        assert_eq!(refused.answer.unwrap().code, "promotion_used_up");
        assert_eq!(stage.sms_to(&late.phone).await.len(), 0);
        assert_eq!(stage.codes().count_given("few").await.unwrap(), 2);
    });
}

#[test]
fn an_empty_pool_holds_its_message_back_until_codes_come() {
    run(async {
        let stage = Stage::promo_codes().await;
        let max = Shopper::new("waits-for-a-code");
        stage.accept(&[max.is_customer_with_phone(now()), wants(&max, "none_left")]).await;
        let waiting = eventually("the message waits", PATIENCE, async || {
            let records = stage.deliveries(max.key()).await;
            match records.into_iter().flatten().next() {
                Some(record) if record.status == Status::Waiting => Ok(record),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        let answer = waiting.answer.unwrap();
        assert_eq!(answer.code, "promo_codes_exhausted");
        assert!(answer.detail.unwrap().contains("kairos promo-codes import empty FILE"));
        assert_eq!(stage.codes().count_free("empty").await.unwrap(), 0);
        let file = PoolFile::read("LATE-0001\n").unwrap();
        file.bring_into(&stage.codes(), "empty", now(), &Progress::counted(1, "codes")).await.unwrap();
        // The queue gives it again after two seconds here, three minutes in AWS.
        let [record] = stage.sent(max.key(), 1).await.try_into().unwrap();
        assert_eq!(record.text.as_deref(), Some("A present: LATE-0001"));
        assert_eq!(stage.codes().count_free("empty").await.unwrap(), 0);
    });
}
