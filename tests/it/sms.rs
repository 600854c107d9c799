//! SMS by two services: AWS End User Messaging, played by a server that speaks as it documents itself, and SNS for what it
//! cannot send.

use kairos_engine::consent::SuppressionReason;
use kairos_engine::playbook::Channel;
use kairos_protocol::delivery::{AnswerClass, Status};
use serde_json::{Value, json};

use crate::harness::messengers::{Messengers, Mood};
use crate::harness::shopper::now;
use crate::harness::{PATIENCE, Shopper, Stage, eventually, run};
use crate::receipts::bounce;

impl Stage {
    /// What plays AWS End User Messaging.
    pub(crate) fn sms_service(&self) -> &Messengers {
        self.messengers.as_ref().expect("this stage has one")
    }

    async fn asks_for_a_text(&self, shopper: &Shopper) {
        let traits = json!({"phone": shopper.phone, "createdAt": "2020-01-01T00:00:00Z"});
        self.accept(&[shopper.identifies(now(), traits), shopper.track(now(), "Wants a text", json!({}))]).await;
    }
}

#[test]
fn an_sms_goes_by_the_first_service_with_what_the_playbook_says() {
    run(async {
        let stage = Stage::receipts_with_secrets().await;
        let una = Shopper::new("by-the-first");
        stage.asks_for_a_text(&una).await;
        let record = stage.sent_on(&una, Channel::Sms).await;
        let taken = stage.sms_service().taken(&una.phone);
        assert_eq!(taken.len(), 1);
        let body = json!({"DestinationPhoneNumber": una.phone, "MessageBody": "about text", "MessageType": "PROMOTIONAL",
            "OriginationIdentity": "+12065550152", "ConfigurationSetName": "tests-sms", "MaxPrice": "0.10000",
            "Context": {"delivery": record.delivery.to_string()}});
        assert_eq!(taken[0].body, body);
        assert!(record.answer.unwrap().provider_id.unwrap().starts_with("eum-"));
        assert_eq!(stage.sms_to(&una.phone).await.len(), 0);
    });
}

#[test]
fn what_the_first_service_cannot_send_goes_by_the_other_one() {
    run(async {
        let stage = Stage::receipts_with_secrets().await;
        for (name, mood) in [("throttled", Mood::Limited), ("not-served", Mood::NotServed)] {
            let kim = Shopper::new(name);
            stage.sms_service().will(&kim.phone, &[mood]);
            stage.asks_for_a_text(&kim).await;
            let record = stage.sent_on(&kim, Channel::Sms).await;
            assert_eq!(record.attempts, 1, "within one attempt");
            assert!(!record.answer.unwrap().provider_id.unwrap().starts_with("eum-"));
            let texts: Vec<String> = stage.sms_to(&kim.phone).await.into_iter().map(|sms| sms.message).collect();
            assert_eq!((texts, stage.sms_service().taken(&kim.phone).len()), (vec!["about text".to_owned()], 0));
        }
    });
}

#[test]
fn what_the_first_service_has_perhaps_sent_is_sent_by_nobody_else() {
    run(async {
        let stage = Stage::receipts_with_secrets().await;
        let lea = Shopper::new("in-doubt");
        stage.sms_service().will(&lea.phone, &[Mood::TakesAndHangsUp]);
        stage.asks_for_a_text(&lea).await;
        let record = eventually("it is in doubt", PATIENCE, async || {
            let records = stage.deliveries(lea.key()).await;
            let found = records.iter().flatten().find(|record| record.status == Status::Unconfirmed);
            found.cloned().ok_or(format!("{records:#?}"))
        })
        .await;
        assert_eq!(record.answer.unwrap().class, AnswerClass::Unknown);
        assert_eq!((stage.sms_service().taken(&lea.phone).len(), stage.sms_to(&lea.phone).await.len()), (1, 0));
    });
}

#[test]
fn who_has_opted_out_at_the_service_gets_no_sms_by_the_other_one_either() {
    run(async {
        let stage = Stage::receipts_with_secrets().await;
        let max = Shopper::new("opted-out");
        stage.sms_service().will(&max.phone, &[Mood::Blocked]);
        stage.asks_for_a_text(&max).await;
        stage.dead(&max, Channel::Sms, &max.phone, Some(SuppressionReason::Stop)).await;
        assert_eq!((stage.sms_service().taken(&max.phone).len(), stage.sms_to(&max.phone).await.len()), (0, 0));
    });
}

#[test]
fn an_sms_that_reached_nobody_is_noted_and_its_number_is_dead() {
    run(async {
        let stage = Stage::receipts_with_secrets().await;
        let ira = Shopper::new("no-such-number");
        let traits = json!({"email": ira.email, "phone": ira.phone, "createdAt": "2020-01-01T00:00:00Z"});
        stage.accept(&[ira.identifies(now(), traits), ira.track(now(), "Wants news", json!({}))]).await;
        let email = stage.sent_on(&ira, Channel::Email).await;
        stage.ses_tells(&bounce(&email, "Permanent")).await;
        let sms = stage.sent_on(&ira, Channel::Sms).await;
        // As AWS End User Messaging tells it, by the delivery's id, and by the message's alone.
        let tells = |kind: &str, context: Value| {
            json!({"eventType": kind, "eventTimestamp": now().as_millis(), "isFinal": true, "context": context,
                "messageId": sms.answer.as_ref().unwrap().provider_id, "destinationPhoneNumber": ira.phone})
        };
        let sns = aws_sdk_sns::Client::new(&stage.config);
        for event in [tells("TEXT_DELIVERED", json!({})), tells("TEXT_INVALID", json!({"delivery": sms.delivery}))] {
            let topic = stage.output("SmsEventsTopicArn");
            sns.publish().topic_arn(topic).message(event.to_string()).send().await.unwrap();
        }
        stage.noted(&sms, "it has arrived", |record| record.receipts.delivered_at.is_some()).await;
        stage.noted(&sms, "it has not", |record| record.receipts.code.as_deref() == Some("TEXT_INVALID")).await;
        stage.dead(&ira, Channel::Sms, &ira.phone, Some(SuppressionReason::HardBounce)).await;
    });
}
